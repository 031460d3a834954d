//! What those who run the installation do to others' accounts and to the installation itself, over HTTP.
//!
//! The rules stand in the slices that own the tables; what is here is who may ask for them.
//!
//! Owns no table.

mod keys;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes of this folder.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(keys::routes())
}
