//! The job of an export: it writes the file under a name of its own, part by part. Whoever dies in the middle leaves parts that count
//! for nothing, and whoever takes over begins anew; so there is one file in the end, whole, however often somebody died.

use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::file::{Ended, File, Writing};
use super::order::commission;
use super::rendering::{Manner, Rendering};
use super::source::{Format, Needs};
use super::store::{self, Never, Whole};
use super::wish::Wish;
use crate::accounts::Status;
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::jobs::{Claimed, Handler, JobError, Kind as JobKind, handler};
use crate::time::Timestamp;

/// Writes an export.
pub const EXPORT: JobKind =
    JobKind { name: "exports.produce", max_attempts: 5, lease: Duration::from_secs(60), at_once: Some(2), buried: Some(buried) };

/// What the job carries.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Ticket {
    pub export: Uuid,
    pub person: Uuid,
}

/// The jobs of this slice.
pub fn handlers(app: &App) -> Vec<(JobKind, Handler)> {
    let app = app.clone();
    let run = handler(move |job: Claimed| {
        let app = app.clone();
        async move { run(app, job).await }
    });
    vec![(EXPORT, run)]
}

/// Why an attempt did not come to its end.
enum Stopped {
    /// Another worker has taken it over, or it was taken back: there is nothing to do.
    Overtaken,
    /// It will not be, for this reason.
    Never(Never),
    /// It may be the next time.
    Failed(Problem),
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<DbError> for Stopped {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Ended> for Stopped {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Overtaken => Self::Overtaken,
            Ended::NoRoom => Self::Never(Never::NoRoom),
        }
    }
}

async fn run(app: App, job: Claimed) -> Result<(), JobError> {
    let ticket: Ticket = job.read()?;
    let stopped = Box::pin(produce(app.clone(), ticket.export)).await;
    let (why, dead) = match stopped {
        Ok(()) | Err(Stopped::Overtaken) => return Ok(()),
        Err(Stopped::Never(why)) => (why, None),
        Err(Stopped::Failed(problem)) => {
            let cause = problem.cause.map_or_else(|| problem.detail.into_owned(), |cause| cause.to_string());
            if job.attempt < EXPORT.max_attempts {
                return Err(JobError::Retry(cause));
            }
            (Never::Broken, Some(JobError::Dead(cause)))
        }
    };
    let now = app.ground.clock.now();
    app.ground.db.write(async move |tx| store::fail(tx, ticket.export, why, now).await).await?;
    super::count("failed");
    dead.map_or(Ok(()), Err)
}

/// Whoever waits for the file is told, also when each worker that wrote it was killed.
fn buried<'t>(tx: &'t mut Tx, job: &'t Claimed, now: Timestamp) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
    Box::pin(async move {
        let Ok(ticket) = job.read::<Ticket>() else { return Ok(()) };
        if store::fail(tx, ticket.export, Never::Broken, now).await? {
            tx.on_commit(|| super::count("failed"));
        }
        Ok(())
    })
}

async fn produce(app: App, id: Uuid) -> Result<(), Stopped> {
    let ground = app.ground.clone();
    let now = ground.clock.now();
    let run = ground.random.uuid(now);
    let begun = ground.db.write(async move |tx| store::begin(tx, id, run, now).await).await?;
    let Some(stored) = begun else { return Err(Stopped::Overtaken) };
    let known = app.exports.kind(&stored.kind).zip(Format::parse(&stored.format));
    // While a new version is rolled out, another instance may know it.
    let (kind, format) = known.ok_or_else(|| Problem::internal(format!("an export of an unknown kind: {}", stored.kind)))?;
    if !may_still(app.clone(), stored.user, kind.needs).await? {
        return Err(Stopped::Never(Never::Forbidden));
    }
    // Before anything is read: what waits for a desk keeps nothing in memory.
    let desk = match format {
        Format::Pdf => Some(app.exports.desk().await?),
        Format::Csv | Format::Json => None,
    };
    let key = ground.keyring.get(stored.user).await.map_err(Problem::from)?;
    let wish = Wish::open(&key, id, &stored.wish)?;
    let commission = commission(&app, stored.user, &wish, now).await?;
    let source = (kind.open)(&app, &commission).await?;
    if let Some(rows) = source.expected() {
        store::expect(&ground.db, id, run, rows).await?;
    }
    let file = Writing::new(ground.clone(), File { export: id, run, key }, stored.user);
    let manner = Manner { kind: kind.name, format, dialect: wish.csv, desk, rows_max: None };
    let (rows, bytes) = write(file, Rendering::new(source, manner)).await?;
    let now = ground.clock.now();
    let whole = Whole { rows, bytes, now, expires_at: now.plus(ground.settings.exports.file_ttl) };
    if store::finish(&ground.db, id, run, whole).await? {
        super::count("ready");
    }
    Ok(())
}

/// Writes all of it; how many rows and bytes there are.
async fn write(mut file: Writing, mut rendering: Rendering) -> Result<(u64, u64), Stopped> {
    loop {
        match rendering.next().await {
            Ok(Some(bytes)) => file.write(&bytes, rendering.rows()).await??,
            Ok(None) => break,
            Err(_) if rendering.is_too_long() => return Err(Stopped::Never(Never::TooManyRows)),
            Err(problem) => return Err(problem.into()),
        }
    }
    file.finish(rendering.rows()).await??;
    Ok((rendering.rows(), file.bytes()))
}

/// Whether whoever ordered it could order it now: between the order and its turn they may have lost a role, or the account.
async fn may_still(app: App, person: Uuid, needs: Needs) -> Result<bool, Problem> {
    let Some(person) = app.people.view(person).await? else { return Err(Code::Gone.into()) };
    Ok(match needs {
        Needs::Granted(scope) => person.status == Status::Active && app.roles.grants(&person.roles, scope),
        Needs::Person | Needs::Own(_) => person.status == Status::Active,
    })
}
