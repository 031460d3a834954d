//! What becomes of a refresh token that did not win the rotation.
//!
//! Honest clients repeat themselves: two tabs wake together, an answer is lost on the way. They get the
//! successor that the winner got and never notice. A thief, or the owner after the thief, presents a token
//! whose successor is in use and whose window has passed: that ends the session for both.

use std::time::Duration;

use crate::time::Timestamp;

/// Where a session's rotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The generation of the newest refresh token.
    pub current: i64,
    /// When the newest one was issued.
    pub rotated_at: Timestamp,
    /// The newest generation of which any token, access or refresh, was presented.
    pub seen: i64,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Presented again inside the window (or under way while it was rotated): the same successor.
    Repeated,
    /// The window has passed and nobody ever used the successor: its answer was lost. The same successor.
    LostAnswer,
    /// The successor is in use and somebody still has the old one: end the session.
    Replay,
    /// The token is the current one, so it was the session's lifetimes that refused it.
    Expired,
}

/// Rotations that can overtake one request.
const OVERTAKEN_MAX: i64 = 64;

/// Decides about a token of `presented` generation that arrived at `now` and found `standing`.
pub fn decide(presented: i64, standing: Standing, window: Duration, now: Timestamp) -> Verdict {
    if presented >= standing.current {
        return Verdict::Expired;
    }
    let inside = now <= standing.rotated_at.plus(window);
    // A request that had arrived before the newest rotation happened was under way at the same time as it:
    // its sender could not know better, however many rotations overtook it.
    // Bounded, because instances' clocks differ a little: a token of long ago is no such request.
    let overtaken = standing.current - presented <= OVERTAKEN_MAX;
    if now <= standing.rotated_at && overtaken {
        return Verdict::Repeated;
    }
    if presented + 1 < standing.current {
        return Verdict::Replay;
    }
    if inside {
        Verdict::Repeated
    } else if standing.seen < standing.current {
        Verdict::LostAnswer
    } else {
        Verdict::Replay
    }
}
