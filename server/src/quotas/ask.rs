//! One question about one quota of one person, at one instant.

use jiff::tz::TimeZone;
use uuid::Uuid;

use super::calendar::{Day, Window, window};
use crate::app::App;
use crate::config::Quota;
use crate::error::{Code, Problem};
use crate::time::Timestamp;

/// Whose which quota, and what the settings and the calendar say about it.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub user: Uuid,
    pub name: String,
    pub now: Timestamp,
    pub window: Window,
    pub day: Day,
    /// Units per period, for everybody without a limit of their own.
    pub configured: i64,
    pub warn_percent: i64,
    period: std::time::Duration,
    zone: TimeZone,
}

impl Ask {
    /// About the quota `name` of `user`.
    ///
    /// # Errors
    /// `not_found`: there is no such quota.
    pub fn new(app: &App, name: &str, user: Uuid, now: Timestamp) -> Result<Self, Problem> {
        let quota = app.ground.settings.quotas.get(name).ok_or_else(no_quota)?;
        Ok(Self::of(app, name, quota, user, now))
    }

    /// About every quota of `user`, by name.
    pub fn all(app: &App, user: Uuid, now: Timestamp) -> Vec<Self> {
        app.ground.settings.quotas.iter().map(|(name, quota)| Self::of(app, name, quota, user, now)).collect()
    }

    fn of(app: &App, name: &str, quota: Quota, user: Uuid, now: Timestamp) -> Self {
        let usage = &app.ground.settings.usage;
        Self {
            user,
            name: name.to_owned(),
            now,
            window: window(&usage.zone, quota.period, now),
            day: Day::of(&usage.zone, now),
            // Settings have no larger amount than fits.
            configured: i64::try_from(quota.amount).unwrap_or(i64::MAX),
            warn_percent: usage.warn_percent.into(),
            period: quota.period,
            zone: usage.zone.clone(),
        }
    }

    /// When the period ends that began at `start`, or the running one if that is later.
    pub fn resets_at(&self, start: Timestamp) -> Timestamp {
        if start <= self.window.start { self.window.end } else { window(&self.zone, self.period, start).end }
    }
}

pub(super) fn no_quota() -> Problem {
    Problem::new(Code::NotFound).detail("There is no quota of this name.")
}
