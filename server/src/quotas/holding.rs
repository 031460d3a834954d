//! What people used, as an export shows it to them.

use serde::Serialize;
use uuid::Uuid;

use super::calendar::Day;
use super::reservation_store;
use super::store;
use crate::app::App;
use crate::privacy::holdings::{Asked, Erasure, Holding, Kept, Page, ROWS, Reading, Records, record};
use crate::time::Timestamp;

/// The running period of each quota.
pub const HOLDING: Holding = Holding {
    name: "quotas",
    title: "Quotas",
    about: "How much you used in the running period of each quota, and a limit of your own if you have one.",
    tables: &[("quota_counters", "user_id")],
    kept: Kept::Days(|retention| retention.quotas),
    erasure: Erasure::Deleted,
    records: Records::Exported(counters),
};

/// Days that are over.
pub const DAYS: Holding = Holding {
    name: "quotaDays",
    title: "Use by day",
    about: "How much you used of each quota on days that are over.",
    tables: &[("quota_days", "user_id")],
    kept: Kept::Days(|retention| retention.quotas),
    erasure: Erasure::Deleted,
    records: Records::Exported(days),
};

/// Reservations.
pub const RESERVATIONS: Holding = Holding {
    name: "quotaReservations",
    title: "Reservations",
    about: "Units that were held back for work under way and what it cost in the end, and what was consumed by requests that may be repeated.",
    tables: &[("quota_reservations", "user_id")],
    kept: Kept::Until("a day after they expired"),
    erasure: Erasure::Deleted,
    records: Records::Exported(reservations),
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Running {
    quota: String,
    period_start: Timestamp,
    used: i64,
    reserved: i64,
    day: String,
    used_on_day: i64,
    own_limit: Option<i64>,
    own_limit_until: Option<Timestamp>,
}

/// As many as there are quotas.
fn counters<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let rows = store::all(&app.ground.db, asked.person, asked.now).await?;
        let records = rows.into_iter().map(|(quota, counter)| {
            record(&Running {
                quota,
                period_start: counter.period_start,
                used: counter.used,
                reserved: counter.reserved,
                day: counter.day.to_string(),
                used_on_day: counter.day_used,
                own_limit: counter.own.map(|own| own.limit),
                own_limit_until: counter.own.and_then(|own| own.until),
            })
        });
        Ok(Page { records: records.collect::<Result<_, _>>()?, next: None })
    })
}

#[derive(Serialize)]
struct Over {
    quota: String,
    day: String,
    used: i64,
    limit: i64,
}

fn days<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        // Behind `quota day`.
        let after = asked.after.as_deref().and_then(|after| after.split_once(' '));
        let (quota, day) = after.map_or(("", i64::MIN), |(quota, day)| (quota, day.parse().unwrap_or(i64::MIN)));
        let rows = store::days_of(&app.ground.db, asked.person, quota, Day(day), ROWS).await?;
        let full = i64::try_from(rows.len()).is_ok_and(|count| count >= ROWS);
        let next = rows.last().filter(|_| full).map(|(quota, last)| format!("{quota} {}", last.day.0));
        let records =
            rows.into_iter().map(|(quota, over)| record(&Over { quota, day: over.day.to_string(), used: over.used, limit: over.limit }));
        Ok(Page { records: records.collect::<Result<_, _>>()?, next })
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    id: Uuid,
    quota: String,
    amount: i64,
    state: String,
    committed: i64,
    expires_at: Timestamp,
}

fn reservations<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let rows = reservation_store::all_of(&app.ground.db, asked.person, asked.after_id(), ROWS).await?;
        Page::of(
            rows,
            |held| held.id,
            |held| {
                let (id, quota, amount, state, committed) = (held.id, held.quota, held.amount, held.state, held.committed);
                Ok(Held { id, quota, amount, state, committed, expires_at: held.expires_at })
            },
        )
    })
}
