//! Personal access tokens: how a person lets a program act for them without giving it their password.
//!
//! A token is named, has fewer rights than its person, and ends. Its secret is shown once and kept as a keyed hash
//! ([`secret`]); what a token says is read once and then known in memory ([`state`]), with the set of revoked ones pushed to
//! every instance and polled as the net under it. It opens routes that ask for a scope, as far as the person's roles still grant
//! that scope; never a route that is for the person alone, so a token cannot make another one or change the password.
//!
//! Owns the table `personal_tokens`. Names are personal and stand sealed; erasing a person takes their tokens along. Its store
//! reads the table of `accounts`, whose row it holds while a token is made.

mod admin;
mod create;
mod holding;
mod revoke;
mod routes;
mod secret;
mod state;
mod store;
mod uses;
mod view;

pub use create::{LIFETIME, LIFETIME_MAX, TOKENS_MAX};
pub use holding::HOLDING;
pub use revoke::{revocation, revoke};
pub use secret::is_personal;
pub use state::{PERSONAL_TOKEN_REVOKED, Tokens};
pub use store::{STATEMENTS, purge};
pub use view::TokenView;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(routes::routes()).merge(admin::routes())
}
