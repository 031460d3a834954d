//! An account as those who run the installation see it.

use axum::response::{IntoResponse, Response};
use http::header;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::UserBody;
use crate::accounts::directory::Entry;
use crate::app::App;
use crate::error::Problem;
use crate::http::extract::Json;
use crate::http::if_match::etag;
use crate::passwords;
use crate::time::Timestamp;

/// An account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdminUser {
    #[serde(flatten)]
    user: UserBody,
    /// When it was deleted.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    deleted_at: Option<Timestamp>,
    /// When the deletion becomes final.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    erases_at: Option<Timestamp>,
    /// For `If-Match`.
    version: i64,
}

impl From<&Entry> for AdminUser {
    fn from(entry: &Entry) -> Self {
        let row = &entry.row;
        Self { user: entry.view.body(), deleted_at: row.deleted_at, erases_at: row.erases_at, version: row.version }
    }
}

/// `{user, lockedUntil}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdminUserAnswer {
    user: AdminUser,
    /// Until when failed sign-ins have locked the address.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    locked_until: Option<Timestamp>,
}

/// The answer about an account as it is now.
pub(super) async fn answer(app: &App, entry: &Entry, now: Timestamp) -> Result<Response, Problem> {
    let address = app.ground.keyring.blind_index("email", &entry.view.email);
    let locked_until = passwords::locked_until(&app.ground, address, now).await?;
    Ok(([(header::ETAG, etag(entry.row.version))], Json(AdminUserAnswer { user: entry.into(), locked_until })).into_response())
}

/// Why something is done to an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Because {
    /// Stands in the audit trail, sealed.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: Option<String>,
}

/// The same where it must be said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BecauseOf {
    /// Stands in the audit trail, sealed.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}
