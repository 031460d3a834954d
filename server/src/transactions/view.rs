//! A transaction as its owner sees it.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Kind;
use super::content::Content;
use super::store::Stored;
use crate::secret::{PersonKey, SealError};
use crate::time::Timestamp;

/// A transaction.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Transaction)]
pub struct TransactionView {
    /// Its id.
    pub id: Uuid,
    /// Exact, with all digits that the currency has.
    #[schema(example = "12.34")]
    pub amount: String,
    /// ISO 4217 code.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Earned or spent.
    pub kind: Kind,
    /// What it was.
    pub description: String,
    /// What it belongs to.
    #[schema(required = true)]
    pub category: Option<String>,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Timestamp,
    /// The application's own.
    #[schema(value_type = Option<Object>, required = true)]
    pub metadata: Option<Map<String, Value>>,
    /// For `If-Match`; counts changes from 1.
    pub version: i64,
    /// When it was written down.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When it was deleted; it can be restored for a while.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub deleted_at: Option<Timestamp>,
}

/// Opens a row with its owner's key.
pub(super) fn open(stored: Stored, key: &PersonKey) -> Result<TransactionView, SealError> {
    let content = Content::open(key, stored.id, &stored.content)?;
    Ok(TransactionView {
        id: stored.id,
        amount: stored.currency.print(stored.amount),
        currency: stored.currency.code().to_owned(),
        kind: stored.kind,
        description: content.description,
        category: content.category,
        occurred_at: stored.occurred_at,
        metadata: content.metadata,
        version: stored.version,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        deleted_at: stored.deleted_at,
    })
}
