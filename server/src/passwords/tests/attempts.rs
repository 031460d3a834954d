//! Who may guess when, as a pure rule: no HTTP, no store, no time.

use std::pin::pin;

use futures_util::FutureExt;
use keystead::passwords::Attempts;

const ADA: [u8; 32] = [1; 32];
const EVE: [u8; 32] = [2; 32];

/// The turn, when it can be had at once.
macro_rules! at_once {
    ($turn:expr) => {
        $turn.as_mut().now_or_never()
    };
}

#[tokio::test]
async fn the_first_one_looks_alone() {
    let attempts = Attempts::default();
    let first = attempts.turn(ADA, 5, 4).await;
    let mut second = pin!(attempts.turn(ADA, 5, 4));
    let mut third = pin!(attempts.turn(ADA, 5, 4));
    assert!(at_once!(second).is_none(), "one try may be all that is left");
    attempts.turn(EVE, 5, 4).now_or_never().expect("another address does not wait");
    first.known_failures(3);
    let _second = at_once!(second).expect("two tries are left");
    assert!(at_once!(third).is_none());
    drop(first);
    at_once!(third).expect("the first one failed at nothing");
}

#[tokio::test]
async fn an_older_look_lets_nobody_in() {
    let attempts = Attempts::default();
    let first = attempts.turn(ADA, 5, 2).await;
    first.known_failures(3);
    let second = attempts.turn(ADA, 5, 2).await;
    // The first one fails, and is counted; the second one says what it had read before that.
    first.known_failures(4);
    second.known_failures(3);
    drop(first);
    let mut third = pin!(attempts.turn(ADA, 5, 2));
    assert!(at_once!(third).is_none(), "the second one has the last try");
    drop(second);
    at_once!(third).expect("its turn");
}

#[tokio::test]
async fn whoever_gives_up_is_not_waited_for() {
    let attempts = Attempts::default();
    let first = attempts.turn(ADA, 5, 1).await;
    {
        let mut gone = pin!(attempts.turn(ADA, 5, 1));
        assert!(at_once!(gone).is_none());
    }
    let mut next = pin!(attempts.turn(ADA, 5, 1));
    assert!(at_once!(next).is_none());
    drop(first);
    drop(at_once!(next).expect("its turn"));
    // Nothing is remembered of an address that nobody tries.
    let fresh = attempts.turn(ADA, 5, 2).await;
    assert!(pin!(attempts.turn(ADA, 5, 2)).as_mut().now_or_never().is_none());
    drop(fresh);
}
