//! Quotas: how much of something each person may use in a period, counted exactly on every instance.
//!
//! Which quotas there are, the settings say (`[quotas]`, `[usage]`); [`calendar`] knows when their periods and days begin. What is
//! used stands in one row per person and quota. Consuming is one conditional UPDATE of that row; whatever it cannot decide (a new day,
//! reservations that may have expired, the threshold, a refusal) is decided under the row's lock by [`counter`], which is plain
//! arithmetic ([`consume`]). Work whose cost is known only afterwards reserves first and commits or releases later
//! ([`reserve`]). Administrators give single people a limit of their own ([`own_limit`]); days that are over are kept for charts
//! ([`history`]).
//!
//! Owns the tables `quota_counters`, `quota_days` and `quota_reservations`. They hold numbers about people, not sealed because the
//! database counts with them; erasing a person takes them along. Its store reads the table of `accounts` for who exists.

mod admin;
mod ask;
pub mod calendar;
mod consume;
mod consumer;
pub mod counter;
mod erasure;
mod history;
mod holding;
mod own_limit;
mod purge;
mod purge_store;
mod refusal;
mod reservation_store;
mod reservations;
mod reserve;
mod routes;
mod store;
mod view;

pub use erasure::Erased;
pub use holding::{DAYS, HOLDING, RESERVATIONS};
pub use purge::purge;
pub use purge_store::STATEMENTS as PURGE_STATEMENTS;
pub use reservation_store::STATEMENTS as RESERVATION_STATEMENTS;
pub use store::STATEMENTS;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(routes::routes()).merge(reservations::routes()).merge(admin::routes())
}
