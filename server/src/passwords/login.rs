//! A sign-in by address and password.

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::letters::{ADDRESS_LOCKED, Requested};
use super::lockout::{self, Failures};
use super::store;
use crate::accounts::{self, Email, Status, UserRow};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::db::DbError;
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::secret::{PersonKey, SealError, Verdict};
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
    // Whoever was deleted is nobody, with the right password, too.
    let right = checked.row.as_ref().filter(|row| checked.right && row.status != Status::Deleted);
    let (Some(row), Some(key)) = (right, &checked.key) else {
        return Err(refuse(app, email, address, &checked, origin, now).await?);
    };
    match row.status {
        Status::Active => {}
        Status::Pending if !ground.settings.accounts.require_verified_email => {}
        Status::Pending => return Err(Code::EmailNotVerified.into()),
        Status::Suspended => return Err(Problem::new(Code::Forbidden).detail("This account is suspended. Contact support.")),
        Status::Deleted => return Err(Code::InvalidCredentials.into()),
    }
    if checked.rehash {
        rehash(app, row, password).await;
    }
    open(app, row, key, address, checked.failures.is_some(), origin, now).await
}

/// What a password check found.
pub(super) struct Checked {
    /// Held until the outcome is counted.
    pub turn: super::attempts::Turn,
    /// The person, if there is one.
    pub row: Option<UserRow>,
    /// The person's key.
    pub key: Option<PersonKey>,
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
    // The key is fetched while the password is hashed: nobody can measure whether that took a look-up.
    let (verdict, key) = tokio::join!(ground.password_pool.verify(password.clone(), stored), person_key(app, row.as_ref()));
    let (verdict, key) = (verdict?, key?);
    let (right, rehash) = match verdict {
        Verdict::Right { rehash } => (true, rehash),
        Verdict::Wrong => (false, false),
    };
    Ok(Checked { turn, row, key, right, rehash, failures })
}

/// The key of whoever `row` is; none when there is nobody, or they are being erased.
async fn person_key(app: &App, row: Option<&UserRow>) -> Result<Option<PersonKey>, SealError> {
    match app.ground.keyring.get(row.map_or(Uuid::nil(), |row| row.id)).await {
        Ok(key) => Ok(Some(key)),
        Err(SealError::Erased) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Counts the failure, on record; a job mails the owner, if there is one, when it locks the address.
pub(super) async fn refuse(
    app: &App,
    email: &Email,
    address: [u8; 32],
    checked: &Checked,
    origin: &Origin,
    now: Timestamp,
) -> Result<Problem, Problem> {
    let ground = &app.ground;
    let lockout = ground.settings.lockout;
    let target = checked.row.as_ref().map_or(Target::none("address"), |row| Target::user(row.id));
    let event = |action| {
        audit::Event::new(ground, action, now).actor(Actor::Unknown).target(target).denied().origin(ground, checked.key.as_ref(), origin)
    };
    let (failed, locked) = (event(audit::LOGIN_FAILED), event(audit::LOGIN_LOCKED));
    let (jobs, notice) = (ground.jobs.clone(), Requested { email: email.as_str().to_owned(), origin: origin.clone() });
    let failures = ground
        .db
        .write(async move |tx| {
            let (failures, locks) = lockout::count_failure(tx, address, lockout, now).await?;
            audit::record(tx, &failed).await?;
            if locks {
                audit::record(tx, &locked).await?;
                jobs.enqueue(tx, ADDRESS_LOCKED, &notice, now).await?;
            }
            Ok::<_, Problem>(failures)
        })
        .await?;
    checked.turn.known_failures(failures.counting(lockout, now));
    Ok(Code::InvalidCredentials.into())
}

/// Starts the session, on record, and forgets earlier failures; unless the account was closed or its password
/// changed while this password was checked, which ended every session but the one that was not there yet.
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
    let (started, checked) = (new.clone(), row.clone());
    let opened = ground
        .db
        .write(async move |tx| {
            if !accounts::store::hold(tx, &checked).await? {
                return Ok(false);
            }
            if failed_before {
                store::clear(tx, address).await?;
            }
            sessions::start(tx, &started).await?;
            audit::record(tx, &event).await?;
            Ok::<_, DbError>(true)
        })
        .await?;
    if !opened {
        return Err(Code::InvalidCredentials.into());
    }
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
