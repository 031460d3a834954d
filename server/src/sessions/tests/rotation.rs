use std::time::Duration;

use keystead::sessions::rotation::{Standing, Verdict, decide};
use keystead::time::Timestamp;
use proptest::prelude::*;

const WINDOW: Duration = Duration::from_secs(10);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

#[test]
fn the_verdicts() {
    // presented, current, seen, now; the last rotation was at second 100.
    let table = [
        ("the current one", 3, 3, 3, 101, Verdict::Expired),
        ("one that was never issued", 4, 3, 3, 101, Verdict::Expired),
        ("the one before, inside the window", 2, 3, 3, 101, Verdict::Repeated),
        ("the one before, at the last instant of the window", 2, 3, 3, 110, Verdict::Repeated),
        ("the one before, after the window, successor in use", 2, 3, 3, 111, Verdict::Replay),
        ("the one before, after the window, successor never used", 2, 3, 2, 111, Verdict::LostAnswer),
        ("the one before, a week later, successor never used", 2, 3, 0, 700_000, Verdict::LostAnswer),
        ("an older one, inside the window of the newest", 1, 3, 2, 101, Verdict::Replay),
        ("an older one, successor never used", 1, 3, 0, 111, Verdict::Replay),
        ("an older one that was under way when the newest was issued", 0, 3, 3, 100, Verdict::Repeated),
        ("one that came long before the rotation", 2, 3, 3, 50, Verdict::Repeated),
    ];
    for (what, presented, current, seen, now, verdict) in table {
        let standing = Standing { current, rotated_at: at(100), seen };
        assert_eq!(decide(presented, standing, WINDOW, at(now)), verdict, "{what}");
    }
}

proptest! {
    #[test]
    fn a_replay_of_what_is_in_use_never_passes(
        behind in 1_i64..50, current in 1_i64..1000, rotated in 0_i64..1_000_000, late in 1_i64..1_000_000, ahead in 0_i64..3,
    ) {
        let presented = current - behind.min(current);
        let standing = Standing { current, rotated_at: Timestamp::from_micros(rotated), seen: current + ahead };
        let now = standing.rotated_at.plus(WINDOW).plus(Duration::from_micros(u64::try_from(late).unwrap()));
        prop_assert_eq!(decide(presented, standing, WINDOW, now), Verdict::Replay);
    }
}

/// The session's row, with the same two statements as the store: rotate, and hand out again.
#[derive(Debug)]
struct Row {
    current: i64,
    rotated_at: Timestamp,
    seen: i64,
}

impl Row {
    fn present(&mut self, token: i64, now: Timestamp) -> Result<i64, Verdict> {
        if token == self.current {
            self.current += 1;
            self.rotated_at = now;
            return Ok(self.current);
        }
        let standing = Standing { current: self.current, rotated_at: self.rotated_at, seen: self.seen };
        match decide(token, standing, WINDOW, now) {
            Verdict::Repeated => Ok(self.current),
            Verdict::LostAnswer => {
                self.rotated_at = self.rotated_at.max(now);
                Ok(self.current)
            }
            refused => Err(refused),
        }
    }
}

/// What happens next. Numbers pick one of the calls that are under way.
#[derive(Clone, Debug)]
enum Step {
    /// A tab starts a refresh with the token that the jar holds.
    Call,
    /// The server gets to a call.
    Serve(usize),
    /// An answer reaches the jar.
    Answer(usize),
    /// An answer is lost.
    Lose(usize),
    /// A tab uses the access token that came with the jar's refresh token.
    Use,
    /// Time passes.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Call),
        6 => any::<usize>().prop_map(Step::Serve),
        5 => any::<usize>().prop_map(Step::Answer),
        2 => any::<usize>().prop_map(Step::Lose),
        3 => Just(Step::Use),
        2 => (0_u64..2_000).prop_map(Step::Wait),
        1 => (0_u64..3_600_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..120)
}

/// Honest tabs and what they have under way: (token, arrival) of what was not served yet, and of answers
/// (successor, arrival of the call).
struct Tabs {
    jar: i64,
    waiting: Vec<(i64, Timestamp)>,
    answers: Vec<(i64, Timestamp)>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Calls are served and answered in any order, answers get lost, time passes: nobody is ever signed out.
    /// An answer that took longer than the window counts as lost, and a jar keeps the newest token it was given.
    #[test]
    fn honest_tabs_are_never_signed_out(steps in steps()) {
        let mut now = at(0);
        let mut row = Row { current: 0, rotated_at: now, seen: 0 };
        let mut tabs = Tabs { jar: 0, waiting: Vec::new(), answers: Vec::new() };
        for step in steps {
            // No two things happen at the same instant: the order of events is the order of time.
            now = now.plus(Duration::from_micros(1));
            match step {
                Step::Call => tabs.waiting.push((tabs.jar, now)),
                Step::Serve(pick) if !tabs.waiting.is_empty() => {
                    let (token, arrived) = tabs.waiting.remove(pick % tabs.waiting.len());
                    let served = row.present(token, arrived);
                    prop_assert!(served.is_ok(), "{served:?} for {token} of {arrived:?}, {row:?}");
                    tabs.answers.push((served.unwrap(), arrived));
                }
                Step::Answer(pick) if !tabs.answers.is_empty() => {
                    let (successor, arrived) = tabs.answers.remove(pick % tabs.answers.len());
                    if now.since(arrived) <= WINDOW {
                        tabs.jar = tabs.jar.max(successor);
                    }
                }
                Step::Lose(pick) if !tabs.answers.is_empty() => {
                    tabs.answers.remove(pick % tabs.answers.len());
                }
                Step::Use => row.seen = row.seen.max(tabs.jar),
                Step::Wait(millis) => now = now.plus(Duration::from_millis(millis)),
                _ => {}
            }
        }
        let last = row.present(tabs.jar, now.plus(Duration::from_secs(60)));
        prop_assert!(last.is_ok(), "{last:?} for the jar's {}, {row:?}", tabs.jar);
    }
}
