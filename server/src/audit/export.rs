//! The whole trail as a file, a page at a time: a million events take the memory of a thousand.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::chain::{Break, GENESIS, Link};
use super::checkpoint::{Kind, Statement, checkpoint, open_newest, ours};
use super::checkpoint_store::StoredKey;
use super::event::{Event, open_origin};
use super::extract::Digest;
use super::inspect::{Fault, Inspector};
use super::line::{EventLine, ExtractHead, Head, Line};
use super::search::Filter;
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

/// What is exported.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only what passes this; then it is an extract, of which no chain goes from one event to the next.
    pub filter: Option<Filter>,
    /// Only what came behind this place.
    pub after: Option<i64>,
}

/// An export under way.
pub struct Export {
    ground: Ground,
    format: Format,
    keys: Vec<StoredKey>,
    begins: Option<Statement>,
    selection: Selection,
    end: Statement,
    next: Step,
    /// Walks along what an extract is taken from: nothing is signed that does not follow.
    inspector: Option<Inspector>,
    digest: Digest,
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
    pub async fn open(ground: &Ground, format: Format, mut selection: Selection, event: Event) -> Result<Self, Problem> {
        selection.filter = selection.filter.filter(Filter::narrows);
        ground.db.write(async move |tx| record(tx, &event).await).await?;
        while seal(ground).await? > 0 {}
        checkpoint(ground).await?;
        let state = checkpoint_store::state(&ground.db).await?;
        let (seq, hash) = state.head.unwrap_or_default();
        let begin = state.begins.as_ref().map_or(0, |begins| begins.seq);
        // What was cut off is not there to be left out.
        selection.after = selection.after.filter(|after| *after > begin);
        if selection.after.is_some_and(|after| after > seq) {
            let detail = format!("The last event is {seq}; there is none behind a later one.");
            return Err(Problem::new(Code::InvalidRequest).field("after", "unknown", detail));
        }
        let end = Statement::sign(&open_newest(ground, &state.keys)?, Kind::End, (seq, hash.unwrap_or(GENESIS)), ground.clock.now())?;
        let (ground, digest) = (ground.clone(), Digest::of(&[]));
        let mut this =
            Self { ground, format, keys: state.keys, begins: state.begins, selection, end, next: Step::Head, inspector: None, digest };
        this.stand().await?;
        Ok(this)
    }

    /// Walks to where it begins, when that is not where the trail does, from the statement before: what would be said there must
    /// be true.
    async fn stand(&mut self) -> Result<(), Problem> {
        let trusted = ours(&self.ground, &self.keys);
        let Some(after) = self.selection.after else {
            if self.selection.filter.is_some() {
                self.inspector = Some(Inspector::new(trusted, self.begins.as_ref()).map_err(broken)?);
            }
            return Ok(());
        };
        let anchor = checkpoint_store::up_to(&self.ground.db, after).await?;
        let mut inspector = Inspector::new(trusted, anchor.as_ref()).map_err(broken)?;
        while inspector.seq() < after {
            let page = store::links_after(&self.ground.db, inspector.seq(), PAGE).await?;
            if page.is_empty() {
                return Err(broken((inspector.seq() + 1, Break::Missing)));
            }
            page.iter().filter(|link| link.seq <= after).try_for_each(|link| inspector.event(link)).map_err(broken)?;
        }
        if self.selection.filter.is_none() {
            let key = open_newest(&self.ground, &self.keys)?;
            self.begins = Some(Statement::sign(&key, Kind::From, (after, inspector.hash()), self.ground.clock.now())?);
        }
        self.inspector = Some(inspector);
        Ok(())
    }

    /// The next bytes; nothing when all is said.
    ///
    /// # Errors
    /// The store does not answer; or old events were deleted while this was read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        match self.next {
            Step::Head => {
                self.next = Step::Events(self.selection.after.unwrap_or(i64::MIN));
                self.head().map(Some)
            }
            Step::Events(mut after) => loop {
                let bytes = match self.selection.filter.clone() {
                    Some(filter) => self.extract(after, &filter).await?,
                    None => self.events(after).await?,
                };
                match self.next {
                    // Nothing on this page passed.
                    Step::Events(next) if bytes.is_empty() => after = next,
                    _ => break Ok(Some(bytes)),
                }
            },
            Step::Done => Ok(None),
        }
    }

    fn head(&mut self) -> Result<Vec<u8>, Problem> {
        let mut out = Vec::new();
        match (self.format, &self.selection.filter) {
            (Format::Csv, _) => csv::head(&mut out)?,
            (Format::Ndjson, Some(filter)) => {
                let head = ExtractHead::of(&ours(&self.ground, &self.keys), filter, self.selection.after.unwrap_or(0));
                self.digest = head.digest();
                write(&mut out, &Line::Extract(head))?;
            }
            (Format::Ndjson, None) => {
                write(&mut out, &Line::Trail(Head::of(&ours(&self.ground, &self.keys))))?;
                if let Some(begins) = &self.begins {
                    write(&mut out, &begins.into())?;
                }
            }
        }
        Ok(out)
    }

    async fn page(&self, after: i64) -> Result<Vec<Link>, Problem> {
        let last = self.end.seq;
        let mut page = if after < last { store::links_after(&self.ground.db, after, PAGE).await? } else { Vec::new() };
        page.retain(|link| link.seq <= last);
        self.ensure_uncut().await?;
        Ok(page)
    }

    /// What of the next page passes the filter. The whole page is inspected first: an event that was added by hand would look sound by
    /// itself, and must not be signed.
    async fn extract(&mut self, after: i64, filter: &Filter) -> Result<Vec<u8>, Problem> {
        let mut page = self.page(after).await?;
        let Some(inspector) = &mut self.inspector else { return Err(Problem::new(Code::Internal)) };
        let Some(end) = page.last().map(|link| link.seq) else {
            if inspector.seq() < self.end.seq {
                return Err(broken((inspector.seq() + 1, Break::Missing)));
            }
            self.next = Step::Done;
            return self.extracted();
        };
        self.next = Step::Events(end);
        let statements = checkpoint_store::between(&self.ground.db, inspector.seq(), end, PAGE).await?;
        let mut statements = statements.iter().peekable();
        for link in &page {
            inspector.event(link).map_err(broken)?;
            while let Some(statement) = statements.next_if(|statement| statement.seq <= link.seq) {
                inspector.statement(statement).map_err(broken)?;
            }
        }
        page.retain(|link| filter.passes(&link.event));
        if self.format == Format::Csv {
            return self.rows(&page).await;
        }
        let mut out = Vec::new();
        for link in page {
            self.digest.step(&link.hash.unwrap_or(GENESIS));
            write(&mut out, &Line::Event(Box::new(EventLine::from(link).in_extract(&self.digest))))?;
        }
        Ok(out)
    }

    fn extracted(&self) -> Result<Vec<u8>, Problem> {
        let mut out = Vec::new();
        if self.format == Format::Ndjson {
            let key = open_newest(&self.ground, &self.keys)?;
            let end = Statement::sign(&key, Kind::Extract, (self.end.seq, *self.digest.hash()), self.end.at)?;
            write(&mut out, &(&end).into())?;
        }
        Ok(out)
    }

    async fn events(&mut self, after: i64) -> Result<Vec<u8>, Problem> {
        let begin = self.begin();
        let page = self.page(after).await?;
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
    async fn ensure_uncut(&self) -> Result<(), Problem> {
        let now = checkpoint_store::begins(&self.ground.db).await?.map_or(0, |begins| begins.seq);
        if now <= self.selection.after.unwrap_or_else(|| self.begin()) {
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
        let mut out = Vec::new();
        for link in page {
            let key = link.event.sealed_for.and_then(|person| keys.get(&person));
            csv::row(&mut out, link, &open_origin(&self.ground.roots, key, &link.event))?;
        }
        Ok(out)
    }
}

/// What would be signed is not true.
fn broken((seq, how): Fault) -> Problem {
    let detail = format!(
        "The trail is broken at event {seq} ({}), so no part of it can be vouched for. Export it whole, and verify it.",
        how.as_str()
    );
    Problem::new(Code::Conflict).detail(detail)
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
