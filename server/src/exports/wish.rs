//! What somebody ordered, as it waits for its turn: sealed, because a filter may say what one looks for.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::error::Problem;
use crate::secret::{PersonKey, Place};
use crate::spreadsheet::Dialect;

/// What narrows an export, and how it is written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Wish {
    pub filter: Json,
    #[serde(default)]
    pub csv: Dialect,
}

fn place(export: &Uuid) -> Place<'_> {
    Place { table: "exports", column: "wish", row: export.as_bytes() }
}

impl Wish {
    /// Sealed for the row of `export`.
    pub fn seal(&self, key: &PersonKey, export: Uuid) -> Result<Vec<u8>, Problem> {
        Ok(key.seal(place(&export), &serde_json::to_vec(self).map_err(Problem::internal)?))
    }

    /// Opens the wish of the row of `export`.
    pub fn open(key: &PersonKey, export: Uuid, sealed: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(&key.open(place(&export), sealed)?).map_err(Problem::internal)
    }
}
