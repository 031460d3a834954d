//! A quota as it is shown.

use serde::Serialize;
use utoipa::ToSchema;

use super::ask::Ask;
use super::counter::{Counter, at_threshold};
use crate::time::Timestamp;

/// What somebody may use of a quota, and what they have.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Quota)]
pub(super) struct QuotaView {
    /// Which quota.
    #[schema(example = "tokens")]
    pub name: String,
    /// Units per period.
    pub limit: i64,
    /// Units used in the running one.
    pub used: i64,
    /// Units held back for reservations that are open.
    pub reserved: i64,
    /// Units that can still be consumed or reserved.
    pub remaining: i64,
    /// Whether the threshold for warnings was come to.
    pub warning: bool,
    /// When the period ends and nothing is used again.
    #[schema(value_type = String, format = DateTime)]
    pub resets_at: Timestamp,
    /// A limit of the person's own; null where everybody's holds.
    #[schema(required = true)]
    pub own_limit: Option<OwnLimitView>,
}

/// A limit instead of everybody's.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = OwnLimit)]
pub(super) struct OwnLimitView {
    /// Units per period.
    pub limit: i64,
    /// When everybody's limit holds again; null for never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub until: Option<Timestamp>,
}

impl QuotaView {
    /// As `counter` says, which may be of an earlier period; `None` when nothing was ever used.
    pub fn of(ask: &Ask, counter: Option<&Counter>) -> Self {
        let running = counter.filter(|counter| counter.period_start >= ask.window.start);
        let limit = counter.map_or(ask.configured, |counter| counter.limit(ask.configured, ask.now));
        let (used, reserved) = running.map_or((0, 0), |counter| (counter.used, counter.reserved));
        let own = counter.and_then(|counter| counter.own).filter(|own| own.until.is_none_or(|until| until > ask.now));
        Self {
            name: ask.name.clone(),
            limit,
            used,
            reserved,
            remaining: (limit - used - reserved).max(0),
            warning: at_threshold(used, limit, ask.warn_percent),
            resets_at: ask.resets_at(running.map_or(ask.window.start, |counter| counter.period_start)),
            own_limit: own.map(|own| OwnLimitView { limit: own.limit, until: own.until }),
        }
    }
}
