//! What an export is made of: parts that are read page by page, whatever they are of and however they are written.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::app::App;
use crate::error::{Code, Problem};
use crate::secret::PersonKey;
use crate::spreadsheet::Cell;
use crate::time::Timestamp;

/// Something that can be exported. Each slice that has it declares one; `app::export_kinds()` lists them.
#[derive(Clone, Copy)]
pub struct Kind {
    /// As it stands in requests.
    pub name: &'static str,
    /// How it can be written.
    pub formats: &'static [Format],
    /// What it takes to export it, besides being the person whose it is.
    pub needs: Needs,
    /// Checks a filter, before anything is ordered.
    pub check: fn(&Json) -> Result<(), Problem>,
    /// Opens it for reading.
    pub open: for<'a> fn(&'a App, &'a Commission) -> Opening<'a>,
}

/// A source on its way.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Source>, Problem>> + Send + 'a>>;

/// What it takes to export something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The person themselves, signed in: nothing that acts for them gets it.
    Person,
    /// The person, or what acts for them and was granted this scope of theirs.
    Own(&'static str),
    /// A scope that their roles grant.
    Granted(&'static str),
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For spreadsheets.
    Csv,
    /// For programs.
    Json,
    /// For people.
    Pdf,
}

impl Format {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Pdf => "pdf",
        }
    }

    /// The format with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Csv, Self::Json, Self::Pdf].into_iter().find(|format| format.as_str() == word)
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Pdf => "application/pdf",
        }
    }
}

/// For whom a source is opened, and what of it.
#[derive(Clone)]
pub struct Commission {
    /// The person.
    pub person: Uuid,
    /// Their key.
    pub key: PersonKey,
    /// A filter that its kind has checked.
    pub filter: Json,
    /// The instant that the export is of.
    pub now: Timestamp,
}

/// What stands before everything.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// What it is: `Transactions`.
    pub title: String,
    /// Whose it is.
    pub owner: Owner,
    /// The instant that it is of.
    pub created_at: Timestamp,
    /// From when to when, in words; nothing when it is all there is.
    pub period: Option<String>,
    /// What narrows it besides, each in words.
    pub narrowed: Vec<String>,
    /// What it holds, part by part; what is not in it, with the reason, too.
    pub contents: Vec<Content>,
}

/// Whose an export is.
#[derive(Clone, Debug, Serialize)]
pub struct Owner {
    /// The person.
    pub id: Uuid,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// A part as the head tells of it.
#[derive(Clone, Debug, Serialize)]
pub struct Content {
    /// Its member in JSON.
    pub name: String,
    /// A heading.
    pub title: String,
    /// What it is, in sentences.
    pub about: String,
    /// Why it is not there; nothing when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// In files for programs: `occurredAt`.
    pub name: &'static str,
    /// On paper: `Date`.
    pub title: &'static str,
    /// Its share of the width of a page; nothing is left off paper that has one.
    pub share: f32,
    /// Numbers stand at the right.
    pub right: bool,
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// For programs.
    pub record: Map<String, Json>,
    /// One for each column; none where there are no columns.
    pub cells: Vec<Cell>,
    /// What it adds to the sums.
    pub money: Option<Money>,
}

/// What a transaction adds to the sums.
#[derive(Clone, Debug)]
pub struct Money {
    /// `2026-03`.
    pub month: String,
    /// Its category, if it has one.
    pub category: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// Digits behind the point.
    pub decimals: u8,
    /// In the smallest unit; what was paid is negative.
    pub minor: i128,
}

/// What a source gives.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A part begins.
    Part {
        /// Its place in [`Head::contents`].
        content: usize,
        /// Its columns; none when its records differ.
        columns: &'static [Column],
    },
    /// A row of the part that began last.
    Row(Row),
}

/// A page that is being read; none when all were given.
pub type NextPieces<'s> = Pin<Box<dyn Future<Output = Result<Option<Vec<Piece>>, Problem>> + Send + 's>>;

/// A count on its way.
pub type Counting<'s> = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send + 's>>;

/// Reads what is exported, in pages that are small enough to be kept in memory.
pub trait Source: Send {
    /// What stands before everything.
    fn head(&self) -> &Head;

    /// How many rows there are, as far as that is known before they are read.
    fn expected(&self) -> Option<u64>;

    /// Finds out how many there are, so that [`Source::expected`] knows; beyond `most` it need not go on. Nothing where it cannot.
    fn count(&mut self, most: u64) -> Counting<'_> {
        let _ = most;
        Box::pin(std::future::ready(Ok(())))
    }

    /// The next ones; nothing when all were given.
    fn next(&mut self) -> NextPieces<'_>;
}

/// A period as it stands on paper, of what was typed; a day is enough where it begins at midnight in UTC.
pub(super) fn period(from: Option<&str>, to: Option<&str>) -> Option<String> {
    let day = |text| str::strip_suffix(text, "T00:00:00Z").unwrap_or(text);
    match (from.map(day), to.map(day)) {
        (None, None) => None,
        (Some(from), None) => Some(format!("from {from}")),
        (None, Some(to)) => Some(format!("before {to}")),
        (Some(from), Some(to)) => Some(format!("from {from}, before {to}")),
    }
}

/// Reads a filter; whatever is left out, or null, narrows nothing.
///
/// # Errors
/// `invalid_request` with what it does not know.
pub fn filter<T: serde::de::DeserializeOwned>(filter: &Json) -> Result<T, Problem> {
    let given = if filter.is_null() { Json::Object(Map::new()) } else { filter.clone() };
    if !given.is_object() {
        return Err(Problem::new(Code::InvalidRequest).field("filter", "invalid", "A filter is an object."));
    }
    // The error names members and what was expected; of values it would quote what was typed.
    serde_json::from_value(given).map_err(|error| {
        let text = error.to_string();
        let said =
            if text.starts_with("unknown field") { text } else { "A member of the filter has a value of the wrong form.".to_owned() };
        Problem::new(Code::InvalidRequest).field("filter", "invalid", said)
    })
}
