//! What is personal about a transaction: sealed under its owner's key, found by blind indexes under it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::words;
use crate::error::Problem;
use crate::secret::{PersonKey, Place, SealError};

/// Bytes of a category's blind index.
const CATEGORY: usize = 16;
/// Bytes of a word's blind index: 96 bits tell the words of one person apart.
pub(super) const WORD: usize = 12;

/// A word's blind index.
pub(super) type Word = [u8; WORD];

/// Description, category and metadata as they are sealed; the names are short because a million rows have them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    #[serde(rename = "d")]
    pub description: String,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

const fn place(row: &[u8]) -> Place<'_> {
    Place { table: "transactions", column: "content", row }
}

impl Content {
    /// Sealed for the transaction `id`.
    pub fn seal(&self, key: &PersonKey, id: Uuid) -> Result<Vec<u8>, Problem> {
        let plain = serde_json::to_vec(self).map_err(Problem::internal)?;
        Ok(key.seal(place(id.as_bytes()), &plain))
    }

    /// Opens what was sealed for the transaction `id`.
    pub fn open(key: &PersonKey, id: Uuid, sealed: &[u8]) -> Result<Self, SealError> {
        let plain = key.open(place(id.as_bytes()), sealed)?;
        serde_json::from_slice(&plain).map_err(|_| SealError::Altered)
    }

    /// The blind index of the category; empty without one.
    pub fn category_index(&self, key: &PersonKey) -> Vec<u8> {
        self.category.as_deref().map(|label| category_index(key, label)).unwrap_or_default()
    }

    /// The blind indexes of the description's words.
    pub fn word_indexes(&self, key: &PersonKey) -> Vec<Word> {
        word_indexes(key, &self.description)
    }
}

/// The blind index of a category by its name.
pub(super) fn category_index(key: &PersonKey, label: &str) -> Vec<u8> {
    key.blind_index("transactions.category", &words::category(label))[..CATEGORY].to_vec()
}

/// The blind indexes of the words of `text`.
pub(super) fn word_indexes(key: &PersonKey, text: &str) -> Vec<Word> {
    let index = |word: &String| {
        let whole = key.blind_index("transactions.word", word);
        let mut short = [0; WORD];
        short.copy_from_slice(&whole[..WORD]);
        short
    };
    words::words(text).iter().map(index).collect()
}

const fn label_place(category: &[u8]) -> Place<'_> {
    Place { table: "transaction_categories", column: "label", row: category }
}

/// A category's name, sealed for its row.
pub(super) fn seal_label(key: &PersonKey, category: &[u8], label: &str) -> Vec<u8> {
    key.seal(label_place(category), label.as_bytes())
}

/// Opens a category's name.
pub(super) fn open_label(key: &PersonKey, category: &[u8], sealed: &[u8]) -> Result<String, SealError> {
    key.open_text(label_place(category), sealed)
}
