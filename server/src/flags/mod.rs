//! Feature flags: on or off, variants, targeting by attribute, roll-out by percentage.
//!
//! A flag is one JSON definition ([`definition`]), compiled once and evaluated from memory ([`evaluate`]) in about a
//! microsecond. A change is pushed to every instance and polled as the net under the push ([`state`]). Programs ask through
//! the OpenFeature remote evaluation protocol ([`ofrep`]), so any OpenFeature SDK works. Flags that Keystead itself looks
//! at are declared in code ([`declared`]).
//!
//! Owns the table `flags`. Definitions hold no personal data: whoever is targeted by address should be targeted by id.

mod admin;
mod answers;
mod condition;
pub mod declared;
mod definition;
mod evaluate;
mod ofrep;
mod rendered;
mod routes;
mod state;
mod store;

pub use admin::{FlagView, delete, list, put};
pub use condition::OPERATORS;
pub use definition::{Definition, KEY_MAX, check_key};
pub use evaluate::{Compiled, Context, Evaluation, MissingTargetingKey, Reason};
pub use state::{FLAGS_CHANGED, Flags};
pub use store::STATEMENTS;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(admin::routes()).merge(routes::routes()).merge(ofrep::routes())
}
