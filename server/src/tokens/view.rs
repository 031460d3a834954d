//! A token as its person sees it.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::Stored;
use crate::secret::{PersonKey, Place, SealError};
use crate::time::Timestamp;

/// A personal access token; its secret is shown when it is made and never again.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PersonalToken)]
pub struct TokenView {
    /// The token's id; not secret.
    pub id: Uuid,
    /// What its person calls it.
    pub name: String,
    /// What it may be used for, as long as the person may.
    pub scopes: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Last use; lags by up to a minute.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_used_at: Option<Timestamp>,
}

fn place(id: &Uuid) -> Place<'_> {
    Place { table: "personal_tokens", column: "name", row: id.as_bytes() }
}

/// Seals the name of the token `id`.
pub(super) fn seal_name(key: &PersonKey, id: Uuid, name: &str) -> Vec<u8> {
    key.seal(place(&id), name.as_bytes())
}

/// Opens a row with its person's key.
pub(super) fn open(stored: Stored, key: &PersonKey) -> Result<TokenView, SealError> {
    let name = key.open_text(place(&stored.id), &stored.name)?;
    let Stored { id, scopes, created_at, expires_at, last_used_at, .. } = stored;
    Ok(TokenView { id, name, scopes, created_at, expires_at, last_used_at })
}
