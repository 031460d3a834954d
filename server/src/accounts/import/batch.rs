//! Some hundred people in one transaction: one look for who is there, one statement for the keys, one for the accounts.

use std::collections::HashSet;

use uuid::Uuid;

use super::chunk::LINES;
use super::entry::Entry;
use super::lines::{LINE_MAX, Line, Lines};
use super::{LineError, Report};
use crate::accounts::{By, NewUser, Status, seal_new, store};
use crate::audit::{self, Target};
use crate::db::{Db, DbError, Tx};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::roles;
use crate::secret::SealError;
use crate::time::Timestamp;

/// Blind index of an address.
pub(super) type Index = [u8; 32];
/// People who were read.
pub(super) type Entries = Vec<(Index, Entry)>;

/// An import that is carried out while its stream arrives.
pub struct Import {
    ground: Ground,
    by: By,
    grantable: Vec<String>,
    /// Nothing is written; who would be is kept, so that a repeated address is seen.
    dry: Option<HashSet<Index>>,
    lines: Lines,
    waiting: Entries,
    report: Report,
}

impl Import {
    /// Nothing read yet. `grantable` are the roles that whoever sends it may give away; with `dry_run` nothing is written.
    pub fn new(ground: Ground, by: By, grantable: Vec<String>, dry_run: bool) -> Self {
        let dry = dry_run.then(HashSet::new);
        Self { ground, by, grantable, dry, lines: Lines::default(), waiting: Vec::new(), report: Report::default() }
    }

    /// Takes the next bytes of the stream; writes whenever enough people are together.
    ///
    /// # Errors
    /// A part that this needs does not answer. What was written before stays.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        for line in self.lines.push(bytes) {
            self.take(line).await?;
        }
        Ok(())
    }

    /// Writes what is left, and tells what became of all.
    ///
    /// # Errors
    /// As [`Import::push`].
    pub async fn finish(mut self) -> Result<Report, Problem> {
        if let Some(line) = self.lines.finish() {
            self.take(line).await?;
        }
        self.write().await?;
        Ok(self.report)
    }

    /// Takes the next line, cut by somebody else.
    pub(super) async fn take(&mut self, line: Line) -> Result<(), Problem> {
        let entry = read(&self.ground, line, &self.grantable, self.ground.clock.now());
        self.waiting.extend(self.report.accept(entry));
        if self.waiting.len() == LINES {
            self.write().await?;
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Problem> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let sent = waiting.len();
        let mut fresh = fresh(&self.ground.db, waiting).await?;
        let imported = match &mut self.dry {
            Some(seen) => {
                fresh.retain(|(index, _)| seen.insert(*index));
                fresh.len()
            }
            None if fresh.is_empty() => 0,
            None => self.create(fresh).await?,
        };
        self.report.imported += imported as u64;
        self.report.skipped += (sent - imported) as u64;
        Ok(())
    }

    /// Writes them; fewer than given when others took an address meanwhile, whose keys the sweep of orphans removes.
    async fn create(&self, fresh: Entries) -> Result<usize, Problem> {
        let ground = &self.ground;
        let now = ground.clock.now();
        let people = people(ground, fresh, now).await?;
        let event = self.by.event(ground, audit::USERS_IMPORTED, Target::none("users"), now);
        ground
            .db
            .write(async move |tx| match insert(tx, &people, &event, now).await? {
                Some(imported) => Ok(imported),
                None => {
                    let detail =
                        "A role was deleted while people with it were imported. Send the stream again; people who are there are skipped.";
                    Err(Problem::new(Code::Conflict).detail(detail))
                }
            })
            .await
    }
}

/// Reads one line.
pub(super) fn read(ground: &Ground, (number, line): Line, grantable: &[String], now: Timestamp) -> Result<(Index, Entry), Vec<LineError>> {
    let Some(line) = line else {
        let message = format!("This line is longer than {LINE_MAX} bytes.");
        return Err(vec![LineError { line: number, code: "line_too_long".into(), message }]);
    };
    let entry = Entry::read(number, &line, grantable, now)?;
    Ok((ground.keyring.blind_index("email", entry.email.as_str()), entry))
}

/// Those whose address has no account and stands in no earlier one of these; of two with the same, the first.
pub(super) async fn fresh(db: &Db, entries: Entries) -> Result<Entries, DbError> {
    let indexes: Vec<Index> = entries.iter().map(|(index, _)| *index).collect();
    let mut taken: HashSet<Index> = store::taken(db, &indexes).await?.into_iter().collect();
    Ok(entries.into_iter().filter(|(index, _)| taken.insert(*index)).collect())
}

/// Their keys, and their rows to be written.
pub(super) async fn people(ground: &Ground, fresh: Entries, now: Timestamp) -> Result<Vec<NewUser>, SealError> {
    let ids: Vec<Uuid> = fresh.iter().map(|_| ground.random.uuid(now)).collect();
    let keys = ground.keyring.create_many(&ids).await?;
    let confirm = ground.settings.accounts.require_verified_email;
    let people = fresh.into_iter().zip(&keys).map(|((email_index, entry), key)| {
        let status = match entry.suspended {
            true => Status::Suspended,
            false if entry.verified || !confirm => Status::Active,
            false => Status::Pending,
        };
        let mut new = NewUser {
            id: key.person(),
            email_index,
            email: Vec::new(),
            name: Vec::new(),
            job_role: None,
            status,
            roles: entry.roles,
            email_verified_at: entry.verified.then_some(now),
            password_hash: entry.hash,
            created_at: entry.created_at.unwrap_or(now),
            established_at: Some(now),
        };
        seal_new(&mut new, key, &entry.email, &entry.name, entry.role.as_deref());
        new
    });
    Ok(people.collect())
}

/// Writes people and puts that on record; how many, nothing when a role of theirs does not exist any more.
pub(super) async fn insert(tx: &mut Tx, people: &[NewUser], event: &audit::Event, now: Timestamp) -> Result<Option<usize>, DbError> {
    let mut given: Vec<String> = people.iter().flat_map(|new| new.roles.iter().cloned()).collect();
    given.sort_unstable();
    given.dedup();
    if !roles::hold(tx, &given).await? {
        return Ok(None);
    }
    let imported = store::insert_many(tx, people, now).await?;
    audit::record(tx, &event.clone().detail("imported", imported)).await?;
    Ok(Some(imported))
}
