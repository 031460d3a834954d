//! The whole trail as a file, a page at a time: a million events take the memory of a thousand.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::chain::{GENESIS, Link};
use super::checkpoint::{Kind, Statement, checkpoint, open_newest, ours};
use super::checkpoint_store::StoredKey;
use super::event::{Event, open_origin};
use super::line::{Head, Line};
use super::{checkpoint_store, csv, record, seal, store};
use crate::error::{Code, Problem};
use crate::ground::Ground;

/// Events in memory at a time.
const PAGE: i64 = 1_000;

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line, with everything that hashes and signatures cover; addresses and user agents stay sealed.
    #[default]
    Ndjson,
    /// For spreadsheets, with addresses and user agents as far as they can be opened.
    Csv,
}

impl Format {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// An export under way.
pub struct Export {
    ground: Ground,
    format: Format,
    keys: Vec<StoredKey>,
    begins: Option<Statement>,
    end: Statement,
    next: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Head,
    /// Behind this place.
    Events(i64),
    Done,
}

impl Export {
    /// Puts `event`, which tells of this export, on record; seals and signs what happened until now; and stands before the first line.
    ///
    /// # Errors
    /// A part that this needs does not answer.
    pub async fn open(ground: &Ground, format: Format, event: Event) -> Result<Self, Problem> {
        ground.db.write(async move |tx| record(tx, &event).await).await?;
        while seal(ground).await? > 0 {}
        checkpoint(ground).await?;
        let state = checkpoint_store::state(&ground.db).await?;
        let (seq, hash) = state.head.unwrap_or_default();
        let end = Statement::sign(&open_newest(ground, &state.keys)?, Kind::End, (seq, hash.unwrap_or(GENESIS)), ground.clock.now())?;
        Ok(Self { ground: ground.clone(), format, keys: state.keys, begins: state.begins, end, next: Step::Head })
    }

    /// The next bytes; nothing when all is said.
    ///
    /// # Errors
    /// The store does not answer; or old events were deleted while this was read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        match self.next {
            Step::Head => {
                self.next = Step::Events(i64::MIN);
                self.head().map(Some)
            }
            Step::Events(after) => self.events(after).await.map(Some),
            Step::Done => Ok(None),
        }
    }

    fn head(&self) -> Result<Vec<u8>, Problem> {
        let mut out = Vec::new();
        match self.format {
            Format::Csv => out.extend_from_slice(csv::HEAD.as_bytes()),
            Format::Ndjson => {
                write(&mut out, &Line::Trail(Head::of(&ours(&self.ground, &self.keys))))?;
                if let Some(begins) = &self.begins {
                    write(&mut out, &begins.into())?;
                }
            }
        }
        Ok(out)
    }

    async fn events(&mut self, after: i64) -> Result<Vec<u8>, Problem> {
        let (begin, last) = (self.begin(), self.end.seq);
        let mut page = if after < last { store::links_after(&self.ground.db, after, PAGE).await? } else { Vec::new() };
        page.retain(|link| link.seq <= last);
        self.ensure_uncut(begin).await?;
        let Some(end) = page.last().map(|link| link.seq) else {
            self.next = Step::Done;
            return self.last_line();
        };
        self.next = Step::Events(end);
        match self.format {
            Format::Csv => self.rows(&page).await,
            Format::Ndjson => {
                let statements = checkpoint_store::between(&self.ground.db, after.max(begin), end, PAGE).await?;
                lines(page, &statements)
            }
        }
    }

    fn begin(&self) -> i64 {
        self.begins.as_ref().map_or(0, |begins| begins.seq)
    }

    /// Retention may have deleted what was not read yet; a gap that nobody made by hand must not look like one.
    async fn ensure_uncut(&self, begin: i64) -> Result<(), Problem> {
        let now = checkpoint_store::begins(&self.ground.db).await?.map_or(0, |begins| begins.seq);
        if now == begin {
            return Ok(());
        }
        Err(Problem::new(Code::Conflict).detail("Old events were deleted while the trail was exported. Export it again."))
    }

    fn last_line(&self) -> Result<Vec<u8>, Problem> {
        let mut out = Vec::new();
        if self.format == Format::Ndjson {
            write(&mut out, &(&self.end).into())?;
        }
        Ok(out)
    }

    async fn rows(&self, page: &[Link]) -> Result<Vec<u8>, Problem> {
        let people: Vec<Uuid> = page.iter().filter_map(|link| link.event.sealed_for).collect();
        let keys = self.ground.keyring.get_many(&people).await?;
        let mut out = String::new();
        for link in page {
            let key = link.event.sealed_for.and_then(|person| keys.get(&person));
            csv::row(&mut out, link, &open_origin(&self.ground.roots, key, &link.event));
        }
        Ok(out.into_bytes())
    }
}

/// Each statement stands behind the event it tells of.
fn lines(page: Vec<Link>, statements: &[Statement]) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    let mut statements = statements.iter().peekable();
    for link in page {
        let seq = link.seq;
        write(&mut out, &Line::Event(Box::new(link.into())))?;
        while let Some(statement) = statements.next_if(|statement| statement.seq <= seq) {
            write(&mut out, &statement.into())?;
        }
    }
    Ok(out)
}

fn write(out: &mut Vec<u8>, line: &Line) -> Result<(), Problem> {
    serde_json::to_writer(&mut *out, line).map_err(Problem::internal)?;
    out.push(b'\n');
    Ok(())
}
