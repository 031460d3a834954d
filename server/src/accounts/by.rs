//! Who does something to an account, from where and why; on record.

use crate::audit::{Action, Actor, Event, Target};
use crate::ground::Ground;
use crate::http::context::Origin;
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// Who, from where and why.
#[derive(Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// The reason given, if any.
    pub reason: Option<String>,
    /// Where from; nowhere for the system itself and for whoever sits at the machine.
    pub origin: Option<Origin>,
    /// The actor's key, when they are a person: their address and what they write are sealed with it.
    pub key: Option<PersonKey>,
    /// The version of the account that it was decided on; `None` where that does not matter.
    pub seen: Option<i64>,
}

impl By {
    /// By `actor`, from nowhere and without a reason.
    pub const fn of(actor: Actor) -> Self {
        Self { actor, reason: None, origin: None, key: None, seen: None }
    }

    /// That `action` was done to `target`.
    pub fn event(&self, ground: &Ground, action: Action, target: Target, now: Timestamp) -> Event {
        let event = Event::new(ground, action, now).actor(self.actor).target(target);
        match (&self.origin, &self.reason) {
            (Some(origin), reason) => event.because(ground, self.key.as_ref(), origin, reason.as_deref()),
            (None, Some(reason)) => event.detail("reason", reason.clone()),
            (None, None) => event,
        }
    }
}
