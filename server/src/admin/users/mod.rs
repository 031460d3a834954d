//! `/api/v1/admin/users`: find people ([`look`]), change them ([`change`]), and open and close their accounts ([`acts`]).

mod acts;
mod body;
mod change;
mod erasure;
mod look;
mod reach;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub use acts::end_sessions;
pub use erasure::DELAY_MAX;
pub use reach::checked_reason;
pub(super) use reach::{by, within_reach};

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(look::search))
        .routes(routes!(look::show, change::update, erasure::delete))
        .routes(routes!(look::sessions))
        .routes(routes!(change::set_roles))
        .routes(routes!(acts::unlock))
        .routes(routes!(acts::suspend))
        .routes(routes!(acts::activate))
        .routes(routes!(acts::restore))
        .routes(routes!(acts::revoke_sessions))
        .routes(routes!(acts::panic))
        .routes(routes!(erasure::erase))
}
