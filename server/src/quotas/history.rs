//! What somebody used, day by day, for charts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ask::Ask;
use super::calendar::Day;
use super::store;
use crate::app::App;
use crate::error::{Code, Problem};

/// Days that are shown at most.
const DAYS_MAX: i64 = 366;
/// Days that are shown when the caller does not say.
const DAYS: i64 = 30;

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// The first day; without it 30 days with the last one.
    #[param(required = false, example = "2026-11-01", pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    from: Option<String>,
    /// The last day; without it today.
    #[param(required = false, example = "2026-11-30", pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    to: Option<String>,
}

/// One day.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct QuotaDay {
    /// In the time zone of the installation.
    #[schema(example = "2026-11-29")]
    day: String,
    /// Units used on it.
    used: i64,
    /// The limit that held when something was used last; null on a day without use.
    #[schema(required = true)]
    limit: Option<i64>,
}

/// Every day from the first to the last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QuotaHistory)]
pub(super) struct History {
    /// The days, oldest first.
    items: Vec<QuotaDay>,
    /// Whose midnight ends a day.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
}

/// The days of `ask.user` that `query` names.
///
/// # Errors
/// `invalid_request`: it names no days, or too many.
pub(super) async fn read(app: &App, ask: &Ask, query: &HistoryQuery) -> Result<History, Problem> {
    let (from, to) = days(query, ask.day)?;
    let mut used: BTreeMap<Day, (i64, i64)> = BTreeMap::new();
    for day in store::days(&app.ground.db, ask, from, to).await? {
        let of_day = used.entry(day.day).or_default();
        *of_day = (of_day.0.saturating_add(day.used), day.limit);
    }
    let items = (from.0..=to.0).map(Day).map(|day| {
        let of_day = used.get(&day);
        QuotaDay { day: day.to_string(), used: of_day.map_or(0, |(used, _)| *used), limit: of_day.map(|(_, limit)| *limit) }
    });
    let time_zone = app.ground.settings.usage.zone.iana_name().unwrap_or("UTC").to_owned();
    Ok(History { items: items.collect(), time_zone })
}

fn days(query: &HistoryQuery, today: Day) -> Result<(Day, Day), Problem> {
    let problem = Problem::new(Code::InvalidRequest);
    let read = |text: &Option<String>, field: &'static str| match text.as_deref().map(|text| Day::parse(text).ok_or(field)) {
        None => Ok(None),
        Some(day) => day.map(Some),
    };
    let (from, to) = match (read(&query.from, "from"), read(&query.to, "to")) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(field), _) | (_, Err(field)) => return Err(problem.field(field, "invalid", "Write a day such as 2026-11-29.")),
    };
    let to = to.unwrap_or(today);
    let from = from.unwrap_or(Day(to.0 - DAYS + 1));
    match to.0 - from.0 {
        days if days < 0 => Err(problem.field("to", "out_of_range", "The last day is before the first.")),
        days if days >= DAYS_MAX => Err(problem.field("from", "out_of_range", "Ask for 366 days at most.")),
        _ => Ok((from, to)),
    }
}
