//! Some hundred people in one transaction: one look for who is there, one statement for the keys, one for the accounts.

use std::collections::HashSet;

use uuid::Uuid;

use super::entry::Entry;
use super::lines::{LINE_MAX, Line, Lines};
use super::{LineError, Report};
use crate::accounts::{NewUser, Status, seal_new, store};
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::http::context::Origin;
use crate::roles;

/// People that one transaction writes: enough to share its cost, few enough that nobody waits for it.
const BATCH: usize = 500;

type Index = [u8; 32];

/// An import under way.
pub struct Import {
    ground: Ground,
    actor: Actor,
    origin: Option<Origin>,
    grantable: Vec<String>,
    /// Nothing is written; who would be is kept, so that a repeated address is seen.
    dry: Option<HashSet<Index>>,
    lines: Lines,
    waiting: Vec<(Index, Entry)>,
    report: Report,
}

impl Import {
    /// Nothing read yet. `grantable` are the roles that `actor` may give away; with `dry_run` nothing is written.
    pub fn new(ground: Ground, actor: Actor, origin: Option<Origin>, grantable: Vec<String>, dry_run: bool) -> Self {
        let dry = dry_run.then(HashSet::new);
        Self { ground, actor, origin, grantable, dry, lines: Lines::default(), waiting: Vec::new(), report: Report::default() }
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

    /// Lines read, for the message when a stream breaks off.
    pub fn seen(&self) -> u64 {
        self.lines.seen()
    }

    async fn take(&mut self, (number, line): Line) -> Result<(), Problem> {
        let Some(line) = line else {
            let message = format!("This line is longer than {LINE_MAX} bytes.");
            self.report.refuse(vec![LineError { line: number, code: "line_too_long", message }]);
            return Ok(());
        };
        match Entry::read(number, &line, &self.grantable, self.ground.clock.now()) {
            Ok(entry) => self.waiting.push((self.ground.keyring.blind_index("email", entry.email.as_str()), entry)),
            Err(problems) => self.report.refuse(problems),
        }
        if self.waiting.len() == BATCH {
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
        let fresh = self.fresh(waiting).await?;
        let imported = match &mut self.dry {
            Some(seen) => {
                seen.extend(fresh.iter().map(|(index, _)| *index));
                fresh.len()
            }
            None if fresh.is_empty() => 0,
            None => self.create(fresh).await?,
        };
        self.report.imported += imported as u64;
        self.report.skipped += (sent - imported) as u64;
        Ok(())
    }

    /// Those whose address has no account and stood in no earlier line; of two with the same, the first.
    async fn fresh(&self, waiting: Vec<(Index, Entry)>) -> Result<Vec<(Index, Entry)>, Problem> {
        let indexes: Vec<Index> = waiting.iter().map(|(index, _)| *index).collect();
        let mut taken: HashSet<Index> = store::taken(&self.ground.db, &indexes).await?.into_iter().collect();
        let unseen = |index: &Index| self.dry.as_ref().is_none_or(|seen| !seen.contains(index));
        Ok(waiting.into_iter().filter(|(index, _)| unseen(index) && taken.insert(*index)).collect())
    }

    /// Writes them; fewer than given when others took an address meanwhile, whose keys the sweep of orphans removes.
    async fn create(&self, fresh: Vec<(Index, Entry)>) -> Result<usize, Problem> {
        let ground = &self.ground;
        let now = ground.clock.now();
        let ids: Vec<Uuid> = fresh.iter().map(|_| ground.random.uuid(now)).collect();
        let keys = ground.keyring.create_many(&ids).await?;
        let confirm = ground.settings.accounts.require_verified_email;
        let people: Vec<NewUser> = fresh
            .into_iter()
            .zip(&keys)
            .map(|((email_index, entry), key)| {
                let mut new = NewUser {
                    id: key.person(),
                    email_index,
                    email: Vec::new(),
                    name: Vec::new(),
                    job_role: None,
                    status: if entry.verified || !confirm { Status::Active } else { Status::Pending },
                    roles: entry.roles,
                    email_verified_at: entry.verified.then_some(now),
                    password_hash: entry.hash,
                    created_at: entry.created_at.unwrap_or(now),
                };
                seal_new(&mut new, key, &entry.email, &entry.name, entry.role.as_deref());
                new
            })
            .collect();
        let event = audit::Event::new(ground, audit::USERS_IMPORTED, now).actor(self.actor).target(Target::none("users"));
        let event = match &self.origin {
            Some(origin) => event.origin(ground, None, origin),
            None => event,
        };
        let mut given: Vec<String> = people.iter().flat_map(|new| new.roles.iter().cloned()).collect();
        given.sort_unstable();
        given.dedup();
        ground
            .db
            .write(async move |tx| {
                if !roles::hold(tx, &given).await? {
                    let detail =
                        "A role was deleted while people with it were imported. Send the stream again; people who are there are skipped.";
                    return Err(Problem::new(Code::Conflict).detail(detail));
                }
                let imported = store::insert_many(tx, &people, now).await?;
                audit::record(tx, &event.clone().detail("imported", imported)).await?;
                Ok::<_, Problem>(imported)
            })
            .await
    }
}
