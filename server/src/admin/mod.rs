//! What those who run the installation do to others' accounts and to the installation itself, over HTTP.
//!
//! The rules stand in the slices that own the tables; what is here is who may ask for them. One rule is of this folder:
//! whoever acts on an account must hold everything that the account holds ([`users::reach`]), so that no scope to change accounts
//! leads to more than that.
//!
//! Owns no table; [`stats`] counts in those of others.

mod impersonation;
mod jobs;
mod keys;
mod stats;
mod users;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub use jobs::try_again;
pub use stats::{FRESH as STATS_FRESH, Figures, STATEMENTS, Stats};
pub use users::{DELAY_MAX, checked_reason, end_sessions};

/// The routes of this folder.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(impersonation::routes())
        .merge(jobs::routes())
        .merge(keys::routes())
        .merge(stats::routes())
        .merge(users::routes())
}
