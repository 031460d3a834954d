//! The job of a large import: part after part, each in one transaction with the note that it is done. Whoever dies in the middle
//! leaves whole parts, and whoever takes over begins with the next.
//!
//! Who sent it is asked again before each part: an administrator who lost their role, or was suspended, makes no more accounts.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::batch::{self, Entries, Index};
use super::chunk;
use super::store::{self, End, Import};
use super::{LineError, Report};
use crate::access::scope::UsersWrite;
use crate::accounts::Status;
use crate::app::App;
use crate::audit::{self, Actor, Event, Target};
use crate::db::{DbError, Tx};
use crate::error::Problem;
use crate::ground::Ground;
use crate::http::guard::Scope;
use crate::jobs::{Claimed, Handler, JobError, Kind, handler};
use crate::roles::Snapshot;
use crate::time::Timestamp;

/// Carries a large import out.
pub const IMPORT: Kind =
    Kind { name: "users.import", max_attempts: 20, lease: Duration::from_secs(60), at_once: Some(1), buried: Some(buried) };

/// Addresses of a dry run that are forgotten in one transaction.
const FORGOTTEN: i64 = 5_000;
/// A stream that has not come in this time never will: longer than a request may take.
const RECEIVING_MAX: Duration = Duration::from_secs(2 * 60 * 60);
/// An import on which nothing has moved for so long has failed, whatever its job says.
const WAITING_MAX: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How long a report is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What the job carries.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Ticket {
    pub import: Uuid,
}

/// The jobs of imports.
pub fn handlers(app: &App) -> Vec<(Kind, Handler)> {
    let app = app.clone();
    let run = handler(move |job: Claimed| {
        let app = app.clone();
        async move { run(app, job).await }
    });
    vec![(IMPORT, run)]
}

async fn run(app: App, job: Claimed) -> Result<(), JobError> {
    let Ticket { import } = job.read()?;
    all(app, import).await
}

/// Whoever waits for the report is told, also when each worker of the import was killed.
fn buried<'t>(tx: &'t mut Tx, job: &'t Claimed, now: Timestamp) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
    Box::pin(async move {
        let Ok(Ticket { import }) = job.read::<Ticket>() else { return Ok(()) };
        store::finish(tx, import, End::Broken, now).await.map(drop)
    })
}

async fn all(app: App, id: Uuid) -> Result<(), JobError> {
    while let Some(import) = store::find(&app.ground.db, id).await?.filter(|import| import.finished_at.is_none()) {
        if import.next_chunk >= import.chunks {
            finish(app.ground.clone(), id, End::Done).await?;
            break;
        }
        let Some(grantable) = still_grantable(app.clone(), import.actor, import.grantable.clone()).await? else {
            finish(app.ground.clone(), id, End::Forbidden).await?;
            break;
        };
        part(app.ground.clone(), import, grantable).await?;
    }
    while store::forget_seen(&app.ground.db, id, FORGOTTEN).await? > 0 {}
    Ok(())
}

/// Of the roles that the sender might give at first, those they may give now; nothing when they may not import at all.
async fn still_grantable(app: App, actor: Actor, asked: Vec<String>) -> Result<Option<Vec<String>>, JobError> {
    let has = match actor {
        Actor::User(id) => {
            let person = app.people.view(id).await.map_err(|error| retry(error.into()))?;
            let Some(person) = person.filter(|person| person.status == Status::Active) else { return Ok(None) };
            app.roles.snapshot().scopes_of(&person.roles).into_iter().map(str::to_owned).collect()
        }
        Actor::Client(id) => {
            let Some(client) = app.oauth.clients.live(&id.to_string()).await? else { return Ok(None) };
            client.scopes.clone()
        }
        Actor::Operator | Actor::System | Actor::Unknown => Vec::new(),
    };
    Ok(among(&app.roles.snapshot(), &has, asked))
}

fn among(known: &Snapshot, has: &[String], asked: Vec<String>) -> Option<Vec<String>> {
    let may = |scope: &str| has.iter().any(|held| held == scope);
    // A role may grant more by now than when the sender was asked.
    let still = |role: &String| known.has(role) && known.scopes_of(std::slice::from_ref(role)).into_iter().all(may);
    may(UsersWrite::NAME).then(|| asked.into_iter().filter(still).collect())
}

/// Carries the next part out.
async fn part(ground: Ground, import: Import, grantable: Vec<String>) -> Result<(), JobError> {
    let number = import.next_chunk;
    let Some(sealed) = store::chunk(&ground.db, import.id, number).await? else {
        // Another worker has done it, or it is lost.
        return Err(JobError::Retry("a part of the stream is not there".to_owned()));
    };
    let now = ground.clock.now();
    let (mut report, mut entries): (Report, Entries) = (Report { errors: import.report.errors, ..Report::default() }, Vec::new());
    for line in chunk::open(&ground.roots, import.id, number, &sealed)? {
        entries.extend(report.accept(batch::read(&ground, line, &grantable, now)));
    }
    let sent = entries.len() as u64;
    let fresh = batch::fresh(&ground.db, entries).await?;
    let done = Done { id: import.id, number, sent, failed: report.failed, errors: report.errors.into(), now };
    if import.dry_run {
        let seen: Vec<Index> = fresh.into_iter().map(|(index, _)| index).collect();
        return ground
            .db
            .write(async move |tx| {
                let imported = store::see(tx, done.id, &seen).await?;
                done.note(tx, imported).await
            })
            .await;
    }
    let people = batch::people(&ground, fresh, now).await?;
    let event = Event::new(&ground, audit::USERS_IMPORTED, now).actor(import.actor).target(Target::none("users"));
    let event = event.detail("import", import.id.to_string());
    ground
        .db
        .write(async move |tx| {
            let imported = match people.as_slice() {
                [] => 0,
                people => {
                    let inserted = batch::insert(tx, people, &event, now).await?;
                    inserted.ok_or_else(|| JobError::Retry("a role was deleted while people with it were imported".to_owned()))?
                }
            };
            done.note(tx, imported).await
        })
        .await
}

/// What became of a part.
#[derive(Clone)]
struct Done {
    id: Uuid,
    number: i64,
    sent: u64,
    failed: u64,
    errors: Arc<[LineError]>,
    now: Timestamp,
}

impl Done {
    async fn note(&self, tx: &mut Tx, imported: usize) -> Result<(), JobError> {
        let imported = imported as u64;
        let part = [imported, self.sent.saturating_sub(imported), self.failed];
        if store::advance(tx, self.id, self.number, part, &self.errors, self.now).await? {
            return Ok(());
        }
        // Undone as a whole: another worker has done it.
        Err(JobError::Retry("another worker carried this part out".to_owned()))
    }
}

async fn finish(ground: Ground, id: Uuid, end: End) -> Result<(), JobError> {
    let now = ground.clock.now();
    ground.db.write(async move |tx| store::finish(tx, id, end, now).await).await?;
    Ok(())
}

/// The cause, for the queue's own log; a problem's sentence holds nothing personal.
fn retry(problem: Problem) -> JobError {
    JobError::Retry(problem.cause.map_or_else(|| problem.detail.into_owned(), |cause| cause.to_string()))
}

/// Gives up what never came whole or never went on, and forgets old reports. Called each minute.
///
/// # Errors
/// The store does not answer.
pub async fn sweep(ground: Ground, now: Timestamp) -> Result<(), DbError> {
    let db = &ground.db;
    for id in store::stale(db, now.minus(RECEIVING_MAX), "receiving").await? {
        store::discard(db, id).await?;
    }
    for id in store::stale(db, now.minus(WAITING_MAX), "").await? {
        db.write(async move |tx| store::finish(tx, id, End::Stuck, now).await).await?;
        while store::forget_seen(db, id, FORGOTTEN).await? > 0 {}
    }
    db.write(async move |tx| store::purge(tx, now.minus(KEPT)).await).await
}
