//! What is held about people: each slice declares it beside the data, `app::holdings()` lists all of it, and whoever exports,
//! erases or documents walks that list.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::app::App;
use crate::config::Retention;
use crate::error::Problem;
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// One kind of data that is held about a person.
#[derive(Clone, Copy)]
pub struct Holding {
    /// Names it in an export, in camelCase: `sessions`.
    pub name: &'static str,
    /// The same as a heading for people.
    pub title: &'static str,
    /// What it is and what for, in a sentence.
    pub about: &'static str,
    /// Where it stands, as (table, the column that says whose it is). A test finds tables with such a column that nobody declares.
    pub tables: &'static [(&'static str, &'static str)],
    /// When it goes by itself.
    pub kept: Kept,
    /// What erasing a person does to it.
    pub erasure: Erasure,
    /// How a person gets it.
    pub records: Records,
}

/// How long something is kept.
#[derive(Clone, Copy)]
pub enum Kept {
    /// As long as the account.
    WithAccount,
    /// These days after it is over, by the setting that `[retention]` has for it.
    Days(fn(&Retention) -> u32),
    /// As this says: a whole clause, such as `30 days after it expired`.
    Until(&'static str),
}

impl Kept {
    /// In words.
    pub fn in_words(self, retention: &Retention) -> String {
        match self {
            Self::WithAccount => "as long as the account".to_owned(),
            Self::Days(days) => match days(retention) {
                1 => "1 day after it is over".to_owned(),
                days => format!("{days} days after it is over"),
            },
            Self::Until(clause) => clause.to_owned(),
        }
    }
}

/// What is left of it when its person is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Nothing: the rows go with the person.
    Deleted,
    /// Ids, times and words of ours, in a row that has to stay; what is personal in it was sealed by the key that is destroyed.
    Unreadable,
    /// Rows that nobody can connect with the person; they go by themselves when they are `kept` no longer.
    Detached,
}

/// How a person gets what is held about them.
#[derive(Clone, Copy)]
pub enum Records {
    /// In an export, read by this.
    Exported(Reader),
    /// Not in an export, and why.
    Withheld(&'static str),
}

/// Reads a page of what is held about somebody, oldest or newest first.
pub type Reader = for<'a> fn(&'a App, &'a Asked) -> Reading<'a>;

/// A page on its way.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Page, Problem>> + Send + 'a>>;

/// Whose records are asked for, and which.
#[derive(Clone)]
pub struct Asked {
    /// The person.
    pub person: Uuid,
    /// Their key.
    pub key: PersonKey,
    /// Behind this record, in the reader's own words: [`Page::next`] of the page before.
    pub after: Option<String>,
    /// The instant that the export is of.
    pub now: Timestamp,
}

/// Records in memory at a time.
pub const ROWS: i64 = 500;

impl Asked {
    /// [`Asked::after`] for records that are found by their ids.
    pub fn after_id(&self) -> Option<Uuid> {
        self.after.as_deref().and_then(|after| after.parse().ok())
    }
}

/// Some of the records.
#[derive(Debug, Default)]
pub struct Page {
    /// As JSON objects, in camelCase; times in RFC 3339.
    pub records: Vec<Map<String, Json>>,
    /// What to ask for next; nothing when these were the last.
    pub next: Option<String>,
}

impl Page {
    /// A page of up to [`ROWS`] `rows` that are found by their ids, each shown by `show`.
    ///
    /// # Errors
    /// A row cannot be opened, or is no JSON object.
    pub fn of<R, S: Serialize>(rows: Vec<R>, id: impl Fn(&R) -> Uuid, show: impl Fn(R) -> Result<S, Problem>) -> Result<Self, Problem> {
        let full = i64::try_from(rows.len()).is_ok_and(|count| count >= ROWS);
        let next = rows.last().filter(|_| full).map(|last| id(last).to_string());
        Ok(Self { records: rows.into_iter().map(|row| record(&show(row)?)).collect::<Result<_, _>>()?, next })
    }

    /// The one record there is.
    ///
    /// # Errors
    /// It is no JSON object.
    pub fn one(shown: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self { records: vec![record(shown)?], next: None })
    }
}

/// `shown` as a record.
///
/// # Errors
/// It is no JSON object.
pub fn record(shown: &impl Serialize) -> Result<Map<String, Json>, Problem> {
    match serde_json::to_value(shown).map_err(Problem::internal)? {
        Json::Object(members) => Ok(members),
        other => Err(Problem::internal(format!("a record is no object but {other}"))),
    }
}
