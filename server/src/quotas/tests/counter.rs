//! The arithmetic by itself, and held against the statement of the store.

use keystead::quotas::calendar::Day;
use keystead::quotas::counter::{Counter, OwnLimit, Take, Verdict};
use keystead::time::Timestamp;
use proptest::prelude::*;

const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

fn counter() -> Counter {
    Counter {
        period_start: Timestamp::from_secs(0),
        used: 0,
        reserved: 0,
        reserved_until: NEVER,
        settled_at: Timestamp::from_secs(0),
        day: Day(0),
        day_used: 0,
        day_limit: 0,
        warned: false,
        exceeded: false,
        own: None,
    }
}

#[test]
fn a_period_never_begins_again() {
    let mut row = Counter { used: 7, day_used: 7, day_limit: 10, day: Day(3), period_start: Timestamp::from_secs(100), ..counter() };
    let over = row.roll(Timestamp::from_secs(200), Day(4)).unwrap();
    assert_eq!((over.day, over.used, over.limit), (Day(3), 7, 10));
    assert_eq!((row.used, row.day_used, row.day), (0, 0, Day(4)));
    row.take(Take::Use(3), 10, 80);
    // A clock that is behind.
    assert_eq!(row.roll(Timestamp::from_secs(100), Day(3)), None);
    assert_eq!((row.used, row.day, row.period_start), (3, Day(4), Timestamp::from_secs(200)));
}

#[test]
fn a_limit_of_ones_own_ends_when_it_says() {
    let (now, until) = (Timestamp::from_secs(10), Timestamp::from_secs(11));
    let row = Counter { own: Some(OwnLimit { limit: 5, until: Some(until) }), ..counter() };
    assert_eq!((row.limit(9, now), row.limit(9, until)), (5, 9));
    let row = Counter { own: Some(OwnLimit { limit: 0, until: None }), ..counter() };
    assert_eq!(row.limit(9, NEVER), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Use(i64),
    Reserve(i64),
    GiveBack(usize),
    Commit(usize, i64),
    Expire(usize),
    Roll,
    Limit(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_i64..40).prop_map(Step::Use),
        (1_i64..40).prop_map(Step::Reserve),
        any::<usize>().prop_map(Step::GiveBack),
        (any::<usize>(), 0_i64..60).prop_map(|(which, amount)| Step::Commit(which, amount)),
        any::<usize>().prop_map(Step::Expire),
        Just(Step::Roll),
        (0_i64..120).prop_map(Step::Limit),
    ]
}

proptest! {
    /// Whatever is done in whatever order: nothing is taken that does not fit, and what is told is told once in a period.
    #[test]
    fn no_order_of_events_exceeds_the_limit(steps in prop::collection::vec(step(), 1..80)) {
        let (mut row, mut limit, mut held, mut period) = (counter(), 100_i64, Vec::<i64>::new(), 0);
        let (mut warnings, mut refusals) = (0, 0);
        for step in steps {
            let (used, reserved) = (row.used, row.reserved);
            match step {
                Step::Limit(new) => limit = new,
                Step::Roll => {
                    period += 1;
                    row.roll(Timestamp::from_secs(period), Day(period));
                    held.clear();
                    (warnings, refusals) = (0, 0);
                }
                Step::Use(amount) | Step::Reserve(amount) => {
                    let take = if matches!(step, Step::Use(_)) { Take::Use(amount) } else { Take::Reserve(amount, NEVER) };
                    let fits = used + reserved + amount <= limit;
                    match row.take(take, limit, 80) {
                        Verdict::Taken { tells } => {
                            prop_assert!(fits && row.used + row.reserved == used + reserved + amount);
                            if let Take::Reserve(..) = take { held.push(amount); }
                            warnings += i32::from(tells);
                        }
                        Verdict::Refused { tells } => {
                            prop_assert!(!fits && (row.used, row.reserved) == (used, reserved));
                            refusals += i32::from(tells);
                        }
                    }
                }
                Step::GiveBack(which) | Step::Expire(which) if !held.is_empty() => {
                    let amount = held.swap_remove(which % held.len());
                    row.give_back(amount);
                    prop_assert_eq!(row.reserved, reserved - amount);
                }
                Step::Commit(which, amount) if !held.is_empty() => {
                    let which = which % held.len();
                    let (within, beyond) = (amount.min(held[which]), (amount - held[which]).max(0));
                    if beyond == 0 || row.fits(beyond, limit) {
                        let amount = held.swap_remove(which);
                        row.give_back(amount);
                        row.count(within);
                        row.used += beyond;
                        prop_assert!(row.used + row.reserved <= limit.max(used + reserved));
                        warnings += i32::from(row.comes_to_threshold(limit, 80));
                    }
                }
                _ => {}
            }
            // A limit that was lowered takes nothing back; it lets nothing more through.
            prop_assert!(row.used + row.reserved <= limit.max(used + reserved));
            prop_assert_eq!(row.reserved, held.iter().sum::<i64>());
            prop_assert!(warnings <= 1 && refusals <= 1);
        }
    }

    /// The largest numbers that the routes let in do not overflow.
    #[test]
    fn large_numbers_are_counted(used in 0_i64..1 << 53, amount in 1_i64..1 << 53, limit in 0_i64..1 << 53) {
        let mut row = Counter { used: used.min(limit), ..counter() };
        let fits = row.used + amount <= limit;
        prop_assert_eq!(matches!(row.take(Take::Use(amount), limit, 100), Verdict::Taken { .. }), fits);
    }
}
