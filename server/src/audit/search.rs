//! Which events somebody asks for.

use std::time::Duration;

use uuid::Uuid;

use super::chain::Recorded;
use crate::error::{Code, Problem};
use crate::time::Timestamp;

/// What narrows a search or an export, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// Who acted.
    pub actor: Option<String>,
    /// The act.
    pub action: Option<String>,
    /// What was acted on.
    pub target: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// From this instant on.
    pub from: Option<String>,
    /// Before this instant.
    pub to: Option<String>,
}

/// What narrows a search; nothing narrows to nothing.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Who acted.
    pub actor: Option<Uuid>,
    /// The act.
    pub action: Option<String>,
    /// What was acted on.
    pub target: Option<Uuid>,
    /// How it ended.
    pub outcome: Option<&'static str>,
    /// From this instant on.
    pub from: Timestamp,
    /// Before this instant.
    pub to: Timestamp,
}

const OUTCOMES: [&str; 2] = ["success", "denied"];
const ACTION_MAX: usize = 64;

impl Filter {
    /// Checks what was typed; everything that is wrong at once.
    ///
    /// # Errors
    /// `invalid_request` with each member that cannot be read.
    pub fn check(typed: &Typed) -> Result<Self, Problem> {
        let mut problem = Problem::new(Code::InvalidRequest);
        let time = |text: &Option<String>| text.as_deref().map(|text| Timestamp::parse_rfc3339(text).ok_or(()));
        let (from, to) = (time(&typed.from).transpose(), time(&typed.to).transpose());
        for (field, value) in [("from", &from), ("to", &to)] {
            if value.is_err() {
                problem = problem.field(field, "invalid_time", "Write the time as in 2026-05-01T12:00:00Z (RFC 3339).");
            }
        }
        let id = |text: &Option<String>| text.as_deref().map(|text| Uuid::try_parse(text.trim()).map_err(drop)).transpose();
        let (actor, target) = (id(&typed.actor), id(&typed.target));
        for (field, value) in [("actor", &actor), ("target", &target)] {
            if value.is_err() {
                problem = problem.field(field, "invalid_id", "Write an id, as in 01920000-0000-7000-8000-000000000000.");
            }
        }
        let outcome = typed.outcome.as_deref().map(|typed| OUTCOMES.into_iter().find(|known| *known == typed));
        if outcome == Some(None) {
            problem = problem.field("outcome", "unknown", "Use success or denied.");
        }
        if typed.action.as_ref().is_some_and(|action| action.is_empty() || action.len() > ACTION_MAX) {
            problem = problem.field("action", "unknown", "Use the name of an act, such as session.started.");
        }
        match (from, to, actor, target) {
            (Ok(from), Ok(to), Ok(actor), Ok(target)) if problem.errors.is_empty() => Ok(Self {
                actor,
                action: typed.action.clone(),
                target,
                outcome: outcome.flatten(),
                from: from.unwrap_or(Timestamp::from_micros(i64::MIN)),
                to: to.unwrap_or(Timestamp::from_micros(i64::MAX)),
            }),
            _ => Err(problem),
        }
    }

    /// Whether it narrows at all.
    pub fn narrows(&self) -> bool {
        let times = self.from.as_micros() > i64::MIN || self.to.as_micros() < i64::MAX;
        times || self.actor.is_some() || self.action.is_some() || self.target.is_some() || self.outcome.is_some()
    }

    /// Whether `event` is asked for.
    pub(super) fn passes(&self, event: &Recorded) -> bool {
        self.actor.is_none_or(|actor| event.actor == Some(actor))
            && self.target.is_none_or(|target| event.target == Some(target))
            && self.action.as_ref().is_none_or(|action| *action == event.action)
            && self.outcome.is_none_or(|outcome| outcome == event.outcome)
            && (self.from..self.to).contains(&event.at)
    }

    /// No event that is asked for has a lower id.
    pub(super) fn lowest_id(&self) -> Uuid {
        self.from.lowest_id()
    }

    /// Every event that is asked for has a lower id.
    pub(super) fn highest_id(&self) -> Uuid {
        // Ids have 48 bits of milliseconds; behind their end there is nothing.
        let end = Timestamp::from_secs(1 << 38);
        if self.to >= end { Uuid::max() } else { self.to.plus(Duration::from_millis(1)).lowest_id() }
    }
}
