//! A sign-in by address and password.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::lockout::{self, Failures};
use super::store;
use crate::accounts::{self, Email, PersonView, Status, UserRow};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::mail::{self, Letter};
use crate::secret::{PersonKey, Verdict};
use crate::sessions::{self, SignIn};
use crate::time::Timestamp;

/// Counts sign-ins by outcome.
pub const LOGINS: &str = "keystead_logins_total";

/// Signs in, or says why not; the answers for an unknown address and for a wrong password are the same.
pub async fn login(app: &App, email: &Email, password: &SecretString, origin: &Origin, now: Timestamp) -> Result<SignIn, Problem> {
    let result = attempt(app, email, password, origin, now).await;
    let outcome = match &result {
        Ok(_) => "success",
        Err(problem) => problem.code.as_str(),
    };
    metrics::counter!(LOGINS, "outcome" => outcome).increment(1);
    result
}

async fn attempt(app: &App, email: &Email, password: &SecretString, origin: &Origin, now: Timestamp) -> Result<SignIn, Problem> {
    let ground = &app.ground;
    let address = ground.keyring.blind_index("email", email.as_str());
    let checked = check_password(app, address, password, now).await?;
    let Some(row) = checked.row.filter(|_| checked.right) else {
        return Err(refuse(app, email, address, checked.user, origin, now, &checked.turn).await?);
    };
    let key = ground.keyring.get(row.id).await?;
    match row.status {
        Status::Active => {}
        Status::Pending if !ground.settings.accounts.require_verified_email => {}
        Status::Pending => return Err(Code::EmailNotVerified.into()),
        Status::Suspended => return Err(Problem::new(Code::Forbidden).detail("This account is suspended. Contact support.")),
        Status::Deleted => return Err(Code::InvalidCredentials.into()),
    }
    if checked.rehash {
        rehash(app, &row, password).await;
    }
    open(app, &row, &key, address, checked.failures.is_some(), origin, now).await
}

/// What a password check found.
pub(super) struct Checked {
    /// Held until the outcome is counted.
    pub turn: super::attempts::Turn,
    /// The person, if there is one.
    pub row: Option<UserRow>,
    /// The person's id, if there is one.
    pub user: Option<Uuid>,
    /// Whether the password is theirs.
    pub right: bool,
    /// Whether its hash is of yesterday.
    pub rehash: bool,
    /// Failures on record.
    pub failures: Option<Failures>,
}

/// Waits for its turn, refuses a locked address, and verifies: one hash, whoever it is.
pub(super) async fn check_password(app: &App, address: [u8; 32], password: &SecretString, now: Timestamp) -> Result<Checked, Problem> {
    let ground = &app.ground;
    let (lockout, limits) = (ground.settings.lockout, &ground.settings.passwords);
    let width = u32::try_from(ground.password_pool.threads()).unwrap_or(1);
    let turn = app.attempts.turn(address, lockout.threshold, width);
    let turn = tokio::time::timeout(limits.max_queue_wait, turn)
        .await
        .map_err(|_| Problem::new(Code::Overloaded).retry_after(limits.max_queue_wait))?;
    let failures = store::find(&ground.db, address).await?;
    if let Some(wait) = failures.and_then(|failures| failures.locked_for(now)) {
        return Err(lockout::locked(wait));
    }
    turn.known_failures(failures.map_or(0, |failures| failures.counting(lockout, now)));
    let row = accounts::store::find_by_email(&ground.db, address).await?;
    let stored = row.as_ref().and_then(|row| row.password_hash.clone());
    let verdict = ground.password_pool.verify(password.clone(), stored).await?;
    let (right, rehash) = match verdict {
        Verdict::Right { rehash } => (true, rehash),
        Verdict::Wrong => (false, false),
    };
    Ok(Checked { turn, user: row.as_ref().map(|row| row.id), row, right, rehash, failures })
}

/// Counts the failure, on record; mails the owner, if there is one, when it locks the address.
pub(super) async fn refuse(
    app: &App,
    email: &Email,
    address: [u8; 32],
    user: Option<Uuid>,
    origin: &Origin,
    now: Timestamp,
    turn: &super::attempts::Turn,
) -> Result<Problem, Problem> {
    let ground = app.ground.clone();
    let lockout = ground.settings.lockout;
    let person: Option<Arc<PersonView>> = match user {
        Some(user) => app.people.view(user).await?,
        None => None,
    };
    let key = match user {
        Some(user) => Some(ground.keyring.get(user).await?),
        None => None,
    };
    let target = user.map_or(Target::none("address"), Target::user);
    let event = |action| {
        audit::Event::new(&ground, action, now).actor(Actor::Unknown).target(target).denied().origin(&ground, key.as_ref(), origin)
    };
    let (failed, locked) = (event(audit::LOGIN_FAILED), event(audit::LOGIN_LOCKED));
    let to = email.as_str().to_owned();
    let app = app.clone();
    let failures = app
        .ground
        .clone()
        .db
        .write(async move |tx| {
            let (failures, locks) = lockout::count_failure(tx, address, lockout, now).await?;
            audit::record(tx, &failed).await?;
            if locks {
                audit::record(tx, &locked).await?;
                if let Some(person) = person.as_ref().filter(|person| person.status == Status::Active) {
                    let letter = Letter::AccountLocked {
                        name: person.name.clone(),
                        minutes: lockout.duration.as_secs().div_ceil(60),
                        reset_url: app.link("forgot", None),
                    };
                    mail::post(tx, &app.ground.jobs, &to, letter, now).await?;
                }
            }
            Ok::<_, Problem>(failures)
        })
        .await?;
    turn.known_failures(failures.counting(lockout, now));
    Ok(Code::InvalidCredentials.into())
}

/// Starts the session, on record, and forgets earlier failures.
async fn open(
    app: &App,
    row: &UserRow,
    key: &PersonKey,
    address: [u8; 32],
    failed_before: bool,
    origin: &Origin,
    now: Timestamp,
) -> Result<SignIn, Problem> {
    let ground = &app.ground;
    let new = app.sessions.prepare(row.id, key, origin, now);
    let event = audit::Event::new(ground, audit::SESSION_STARTED, now)
        .actor(Actor::User(row.id))
        .target(Target::session(new.id()))
        .detail("method", "password")
        .origin(ground, Some(key), origin);
    let started = new.clone();
    ground
        .db
        .write(async move |tx| {
            if failed_before {
                store::clear(tx, address).await?;
            }
            sessions::start(tx, &started).await?;
            audit::record(tx, &event).await
        })
        .await?;
    let person = app.people.opened(row, key)?;
    app.sessions.signed_in(&new, &person, now)
}

/// Writes the password under today's parameters. Not worth failing a sign-in for.
async fn rehash(app: &App, row: &UserRow, password: &SecretString) {
    let Some(old) = row.password_hash.clone() else { return };
    let Ok(new) = app.ground.password_pool.hash(SecretString::from(password.expose_secret().to_owned())).await else { return };
    if let Err(error) = accounts::store::rehash(&app.ground.db, row.id, old, new).await {
        tracing::warn!(%error, "a password hash could not be renewed; it is tried again at the next sign-in");
    }
}
