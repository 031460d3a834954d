//! The promise of the window, held against a log of every event.

use std::time::Duration;

use keystead::shared::Budget;
use keystead::shared::window::Window;
use keystead::time::Timestamp;
use proptest::prelude::*;

const START: i64 = 1_790_000_000_000_000;

/// Budgets from a few microseconds to an hour, and arrivals on the scale of their window.
fn budgets() -> impl Strategy<Value = Budget> {
    (1_u32..40, prop_oneof![1_u64..100, 1_000_u64..10_000_000, Just(3_600_000_000)])
        .prop_map(|(limit, window)| Budget { limit, window: Duration::from_micros(window) })
}

/// Steps in thousandths of the window, and costs.
fn arrivals(steps: std::ops::Range<i64>) -> impl Strategy<Value = Vec<(i64, u32)>> {
    let step = prop_oneof![3 => Just(0), 3 => steps.start / 20..steps.end / 20, 2 => steps];
    prop::collection::vec((step, prop_oneof![4 => Just(1_u32), 1 => 0_u32..4, 1 => 0_u32..45]), 1..400)
}

fn width(budget: Budget) -> i64 {
    budget.window.as_micros() as i64
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// Everything admitted in any window of that length.
fn most_in_any_window(admitted: &[(i64, u32)], window: i64) -> u32 {
    let from = |start: i64| admitted.iter().filter(|(at, _)| (start..start + window).contains(at)).map(|(_, cost)| cost).sum();
    admitted.iter().map(|(start, _)| from(*start)).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_the_limit_in_any_window(budget in budgets(), arrivals in arrivals(0..1500)) {
        let (mut window, mut now, mut admitted) = (Window::default(), START, Vec::new());
        for (step, cost) in arrivals {
            now += step * width(budget) / 1000;
            if window.take(budget, cost, at(now)).allowed {
                admitted.push((now, cost));
            }
            prop_assert!(window.slots() <= 13);
        }
        prop_assert!(most_in_any_window(&admitted, width(budget)) <= budget.limit);
    }

    #[test]
    fn refuses_at_most_a_twelfth_of_the_window_too_long(budget in budgets(), arrivals in arrivals(0..1500)) {
        let (mut window, mut now) = (Window::default(), START);
        let mut admitted: Vec<(i64, u32)> = Vec::new();
        let reach = width(budget) + (width(budget) + 11) / 12;
        for (step, cost) in arrivals {
            now += step * width(budget) / 1000;
            if window.take(budget, cost, at(now)).allowed {
                admitted.push((now, cost));
            } else {
                let lately: u32 = admitted.iter().filter(|(at, _)| at + reach > now).map(|(_, cost)| cost).sum();
                prop_assert!(lately + cost > budget.limit, "refused although only {lately} were used lately");
            }
        }
    }

    #[test]
    fn a_clock_that_jitters_back_never_admits_more(budget in budgets(), arrivals in arrivals(-450..900)) {
        let (mut window, mut now, mut latest, mut admitted) = (Window::default(), START, 0, Vec::new());
        for (step, cost) in arrivals {
            now = (now + step * width(budget) / 1000).max(latest - width(budget));
            if window.take(budget, cost, at(now)).allowed && cost > 0 {
                // An event is as late as the latest before it.
                latest = latest.max(now);
                admitted.push((latest, cost));
            }
        }
        prop_assert!(most_in_any_window(&admitted, width(budget)) <= budget.limit);
    }

    #[test]
    fn says_truly_when_to_come_again(budget in budgets(), arrivals in arrivals(-100..600)) {
        let (mut window, mut now) = (Window::default(), START);
        for (step, cost) in arrivals {
            now += step * width(budget) / 1000;
            let decision = window.take(budget, cost, at(now));
            prop_assert_eq!(decision.limit, budget.limit);
            if decision.allowed {
                prop_assert_eq!(decision.retry_after, Duration::ZERO);
                continue;
            }
            prop_assert!(decision.retry_after >= Duration::from_micros(1));
            let then = at(now).plus(decision.retry_after);
            let retried = window.clone().take(budget, cost, then);
            prop_assert_eq!(retried.allowed, cost <= budget.limit, "at the time that was named");
            let just_before = Timestamp::from_micros(then.as_micros() - 1);
            prop_assert!(cost > budget.limit || !window.clone().take(budget, cost, just_before).allowed, "a moment too early");
        }
    }

    #[test]
    fn says_truly_when_all_is_free(budget in budgets(), arrivals in arrivals(0..600)) {
        let (mut window, mut now) = (Window::default(), START);
        for (step, cost) in arrivals {
            now += step * width(budget) / 1000;
            let decision = window.take(budget, cost, at(now));
            let then = at(now).plus(decision.reset_after);
            prop_assert_eq!(window.clone().take(budget, 0, then).remaining, budget.limit);
            prop_assert_eq!(window.take(budget, 0, at(now)).remaining, decision.remaining, "a look takes nothing");
        }
    }

    #[test]
    fn a_refusal_costs_nothing(budget in budgets(), refusals in 1_usize..50) {
        let mut window = Window::default();
        prop_assert!(window.take(budget, budget.limit, at(START)).allowed);
        for n in 0..refusals {
            prop_assert!(!window.take(budget, 1, at(START + n as i64 % width(budget))).allowed);
        }
        prop_assert!(window.take(budget, budget.limit, at(START + width(budget))).allowed);
    }
}

#[test]
fn a_burst_is_free_exactly_one_window_later() {
    let budget = Budget { limit: 10, window: Duration::from_secs(60) };
    let mut window = Window::default();
    for left in (0..10).rev() {
        let decision = window.take(budget, 1, at(START));
        assert!(decision.allowed);
        assert_eq!(decision.remaining, left);
        assert_eq!(decision.reset_after, Duration::from_secs(60));
    }
    let refused = window.take(budget, 1, at(START + 59_999_999));
    assert!(!refused.allowed);
    assert_eq!(refused.retry_after, Duration::from_micros(1));
    assert!(window.take(budget, 10, at(START + 60_000_000)).allowed);
}

#[test]
fn more_than_the_whole_budget_is_never_admitted() {
    let budget = Budget { limit: 3, window: Duration::from_secs(1) };
    let refused = Window::default().take(budget, 4, at(START));
    assert!(!refused.allowed);
    assert_eq!((refused.remaining, refused.retry_after), (3, budget.window));
    let nothing = Budget { limit: 0, window: Duration::ZERO };
    assert!(!Window::default().take(nothing, 1, at(START)).allowed);
    assert!(Window::default().take(nothing, 0, at(START)).allowed);
}

#[test]
fn a_clock_set_back_counts_all_as_just_used_and_blocks_no_longer_than_a_window() {
    let budget = Budget { limit: 5, window: Duration::from_secs(60) };
    let mut window = Window::default();
    assert!(window.take(budget, 5, at(START)).allowed);
    let an_hour_ago = START - 3_600_000_000;
    let refused = window.take(budget, 1, at(an_hour_ago));
    assert!(!refused.allowed);
    assert_eq!(refused.retry_after, budget.window);
    assert!(!window.take(budget, 1, at(an_hour_ago + 59_999_999)).allowed);
    assert!(window.take(budget, 1, at(an_hour_ago + 60_000_000)).allowed);
}

#[test]
fn the_ends_of_time_do_no_harm() {
    let budget = Budget { limit: u32::MAX, window: Duration::MAX };
    for micros in [i64::MIN, -1, 0, i64::MAX] {
        let mut window = Window::default();
        assert!(window.take(budget, u32::MAX, at(micros)).allowed);
        assert!(!window.take(budget, 1, at(micros)).allowed);
        assert!(!window.take(budget, u32::MAX, at(i64::MIN)).allowed);
    }
}
