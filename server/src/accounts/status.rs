//! The state of an account.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::DbError;

/// pending → active ⇄ suspended; any → deleted → restored or erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Signed up; the address is not confirmed.
    Pending,
    /// In use.
    Active,
    /// Closed by an operator.
    Suspended,
    /// Deleted; can be restored until it is erased.
    Deleted,
}

impl Status {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Result<Self, DbError> {
        match word {
            "pending" => Ok(Self::Pending),
            "active" => Ok(Self::Active),
            "suspended" => Ok(Self::Suspended),
            "deleted" => Ok(Self::Deleted),
            other => Err(DbError::Decode(format!("unknown account status {other:?}"))),
        }
    }
}
