//! What depends on whether an account exists, decided after the answer: which mail goes to whom.
//!
//! The routes enqueue the same job for every address. The job looks, and sends what fits, or nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::accounts::{self, PersonView, Status, UserRow};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::codes::{self, NewCode, Purpose};
use crate::error::Problem;
use crate::http::context::Origin;
use crate::http::limits::Policy;
use crate::jobs::{Claimed, Handler, JobError, Kind};
use crate::mail::{self, Letter};
use crate::privacy::Acceptance;
use crate::secret::{PersonKey, Place, SealError};
use crate::time::Timestamp;

const LEASE: std::time::Duration = std::time::Duration::from_secs(60);

/// An address that has an account was used to sign up again.
pub const SIGNED_UP_AGAIN: Kind = Kind { name: "passwords.signed_up_again", max_attempts: 10, lease: LEASE, at_once: None, buried: None };
/// Somebody asked for a reset link.
pub const RESET_REQUESTED: Kind = Kind { name: "passwords.reset_requested", max_attempts: 10, lease: LEASE, at_once: None, buried: None };
/// Somebody asked for the confirmation code again.
pub const CODE_REQUESTED: Kind = Kind { name: "passwords.code_requested", max_attempts: 10, lease: LEASE, at_once: None, buried: None };

/// Failed sign-ins locked an address.
pub const ADDRESS_LOCKED: Kind = Kind { name: "passwords.address_locked", max_attempts: 10, lease: LEASE, at_once: None, buried: None };

/// Payload of [`SIGNED_UP_AGAIN`]; sealed at rest like every payload.
#[derive(Serialize, Deserialize)]
pub struct SignedUpAgain {
    /// The address.
    pub email: String,
    /// The name given this time.
    pub name: String,
    /// The job role given this time.
    pub role: Option<String>,
    /// Of the password chosen this time.
    pub password_hash: String,
    /// Policies accepted this time.
    pub accepted: Vec<Acceptance>,
    /// From where.
    pub origin: Origin,
    /// The key that was made for the person who then was none.
    pub unused_key: Uuid,
}

/// Payload of the others.
#[derive(Serialize, Deserialize)]
pub struct Requested {
    /// The address.
    pub email: String,
    /// Where the request came from.
    pub origin: Origin,
}

/// What a confirmation code puts in force besides the address. A code without it confirms the account as the
/// first sign-up left it.
#[derive(Serialize, Deserialize)]
pub(super) enum Chosen {
    /// What was given together with the code: not a password that somebody else left with the address before.
    Given {
        name: String,
        role: Option<String>,
        password_hash: String,
        accepted: Vec<Acceptance>,
        origin: Origin,
        /// Microseconds since the epoch.
        at: i64,
    },
    /// No password and no consent: the code was asked for again after several sign-ups, and nobody can tell
    /// whose it is. A link to set a password follows.
    Nothing,
}

impl Chosen {
    fn place(code: &Uuid) -> Place<'_> {
        Place { table: "codes", column: "payload", row: code.as_bytes() }
    }

    /// Under the person's own key, so that it is erased with them.
    fn seal(&self, key: &PersonKey, code: Uuid) -> Result<Vec<u8>, JobError> {
        let plain = serde_json::to_vec(self).map_err(|error| JobError::Dead(error.to_string()))?;
        Ok(key.seal(Self::place(&code), &plain))
    }

    pub(super) fn open(key: &PersonKey, code: Uuid, sealed: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(&key.open(Self::place(&code), sealed)?).map_err(Problem::internal)
    }
}

/// The handlers of this slice's jobs.
pub fn handlers(app: &App) -> Vec<(Kind, Handler)> {
    vec![
        (SIGNED_UP_AGAIN, handler(app, async |app: App, job| signed_up_again(&app, job).await)),
        (RESET_REQUESTED, handler(app, async |app: App, job| reset_requested(&app, job).await)),
        (CODE_REQUESTED, handler(app, async |app: App, job| code_requested(&app, job).await)),
        (ADDRESS_LOCKED, handler(app, async |app: App, job| address_locked(&app, job).await)),
    ]
}

fn handler<F, Fut>(app: &App, work: F) -> Handler
where
    F: Fn(App, Claimed) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), JobError>> + Send + 'static,
{
    let app = app.clone();
    Arc::new(move |job| Box::pin(work(app.clone(), job)))
}

fn payload<'a, T: Deserialize<'a>>(job: &'a Claimed) -> Result<T, JobError> {
    serde_json::from_slice(&job.payload).map_err(|error| JobError::Dead(format!("payload: {error}")))
}

/// The cause, for the queue's own log; a problem's sentence holds nothing personal.
fn retry(problem: Problem) -> JobError {
    JobError::Retry(problem.cause.map_or_else(|| problem.detail.into_owned(), |cause| cause.to_string()))
}

async fn find(app: &App, email: &str) -> Result<Option<(UserRow, Arc<PersonView>)>, JobError> {
    let index = app.ground.keyring.blind_index("email", email);
    let Some(row) = accounts::store::find_by_email(&app.ground.db, index).await? else { return Ok(None) };
    let person = app.people.view(row.id).await.map_err(|error| retry(error.into()))?;
    Ok(person.map(|person| (row, person)))
}

async fn signed_up_again(app: &App, job: Claimed) -> Result<(), JobError> {
    let request: SignedUpAgain = payload(&job)?;
    match app.ground.keyring.destroy(request.unused_key).await {
        // Gone already when the job runs a second time.
        Ok(()) | Err(SealError::Erased) => {}
        Err(error) => return Err(retry(error.into())),
    }
    let Some((row, person)) = find(app, &request.email).await? else { return Ok(()) };
    let now = app.ground.clock.now();
    if row.status == Status::Pending && row.established_at.is_some() {
        // Somebody's account that waits for a new address to be confirmed: what a stranger types into a sign-up is none of it.
        return send_code(app, job.id, row.id, &person.email, person.name.clone(), None, now).await;
    }
    if row.status == Status::Pending {
        // First of all, and whether or not a code goes out: see `code_requested`.
        accounts::store::contest(&app.ground.db, row.id, now).await?;
        let name = request.name.clone();
        let chosen = Chosen::Given {
            name: request.name,
            role: request.role,
            password_hash: request.password_hash,
            accepted: request.accepted,
            origin: request.origin,
            at: job.enqueued_at.as_micros(),
        };
        return send_code(app, job.id, row.id, &person.email, name, Some(chosen), now).await;
    }
    // A letter like any other: not as many as somebody likes to cause.
    if app.ground.limiter.check(Policy::VerifyResend, row.id.as_bytes(), now).await.is_err() {
        return Ok(());
    }
    let letter =
        Letter::AlreadyRegistered { name: person.name.clone(), sign_in_url: app.link("login", None), reset_url: app.link("forgot", None) };
    let jobs = app.ground.jobs.clone();
    app.ground.db.write(async move |tx| mail::post(tx, &jobs, &request.email, letter.clone(), now).await.map(|_| ())).await?;
    Ok(())
}

async fn code_requested(app: &App, job: Claimed) -> Result<(), JobError> {
    let request: Requested = payload(&job)?;
    let Some((row, person)) = find(app, &request.email).await? else { return Ok(()) };
    if row.status != Status::Pending {
        return Ok(());
    }
    // After several sign-ups nobody can tell whose password the one who asks expects. Any of them could be
    // that of somebody who waits for the owner to confirm the address, so none is put in force.
    let chosen = row.contested_at.map(|_| Chosen::Nothing);
    send_code(app, job.id, row.id, &person.email, person.name.clone(), chosen, app.ground.clock.now()).await
}

/// Sends another confirmation code, unless the person got too many lately. The code's row has the job's id,
/// so a job that runs twice sends one.
async fn send_code(
    app: &App,
    job: Uuid,
    user: Uuid,
    to: &str,
    name: String,
    chosen: Option<Chosen>,
    now: Timestamp,
) -> Result<(), JobError> {
    if app.ground.limiter.check(Policy::VerifyResend, user.as_bytes(), now).await.is_err() {
        return Ok(());
    }
    let key = app.ground.keyring.get(user).await?;
    let chosen = chosen.map(|chosen| chosen.seal(&key, job)).transpose()?;
    let ttl = app.ground.settings.passwords.verify_ttl;
    let issued = NewCode::digits(&app.ground, job, Purpose::VerifyEmail, user, chosen.as_deref(), now, now.plus(ttl));
    let letter = Letter::VerifyEmail { name, code: issued.secret, minutes: ttl.as_secs() / 60 };
    let (jobs, to, code) = (app.ground.jobs.clone(), to.to_owned(), issued.code);
    app.ground
        .db
        .write(async move |tx| {
            if codes::issue(tx, &code).await? {
                mail::post(tx, &jobs, &to, letter.clone(), now).await?;
            }
            Ok::<_, crate::db::DbError>(())
        })
        .await?;
    Ok(())
}

async fn reset_requested(app: &App, job: Claimed) -> Result<(), JobError> {
    let request: Requested = payload(&job)?;
    let Some((row, person)) = find(app, &request.email).await? else { return Ok(()) };
    if row.status != Status::Active {
        return Ok(());
    }
    let now = app.ground.clock.now();
    let ttl = app.ground.settings.passwords.reset_ttl;
    let issued = NewCode::link(&app.ground, job.id, Purpose::ResetPassword, row.id, now, now.plus(ttl));
    let letter =
        Letter::ResetPassword { name: person.name.clone(), link: app.link("reset", Some(&issued.secret)), minutes: ttl.as_secs() / 60 };
    let key = app.ground.keyring.get(row.id).await?;
    let event = audit::Event::new(&app.ground, audit::PASSWORD_RESET_REQUESTED, now)
        .actor(Actor::Unknown)
        .target(Target::user(row.id))
        .origin(&app.ground, Some(&key), &request.origin);
    let (jobs, code) = (app.ground.jobs.clone(), issued.code);
    app.ground
        .db
        .write(async move |tx| {
            if codes::issue(tx, &code).await? {
                mail::post(tx, &jobs, &request.email, letter.clone(), now).await?;
                audit::record(tx, &event).await?;
            }
            Ok::<_, crate::db::DbError>(())
        })
        .await?;
    Ok(())
}

/// Tells the owner, if there is one.
async fn address_locked(app: &App, job: Claimed) -> Result<(), JobError> {
    let request: Requested = payload(&job)?;
    let Some((row, person)) = find(app, &request.email).await? else { return Ok(()) };
    if row.status != Status::Active {
        return Ok(());
    }
    let minutes = app.ground.settings.lockout.duration.as_secs().div_ceil(60);
    let letter = Letter::AccountLocked { name: person.name.clone(), minutes, reset_url: app.link("forgot", None) };
    let (jobs, now) = (app.ground.jobs.clone(), app.ground.clock.now());
    app.ground.db.write(async move |tx| mail::post(tx, &jobs, &request.email, letter.clone(), now).await.map(|_| ())).await?;
    Ok(())
}
