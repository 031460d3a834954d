//! An operator creates an account: the first administrator, or somebody who comes from another system.

use secrecy::SecretString;

use super::applicant::{Applicant, Typed};
use super::letters::{CODE_REQUESTED, Requested};
use crate::accounts::{self, By, NewUser, PersonView, Status, UserRow};
use crate::app::App;
use crate::audit::{self, Target};
use crate::error::{Code, FieldError, Problem};
use crate::http::context::Origin;
use crate::roles;
use crate::secret::password::{UnknownHash, parse};
use crate::time::Timestamp;

/// How the person will prove who they are.
pub enum Credential {
    /// A password; the policy applies.
    Password(SecretString),
    /// A hash of any known format, until the first sign-in replaces it.
    Hash(String),
}

/// An account that is wanted, as it was typed.
pub struct NewAccount {
    /// The address.
    pub email: String,
    /// The name.
    pub name: String,
    /// The job role.
    pub role: Option<String>,
    /// What the person may do.
    pub roles: Vec<String>,
    /// The password.
    pub credential: Credential,
    /// The address is known to be theirs.
    pub verified: bool,
}

/// Creates an account: active when the address is known to be theirs (or nobody has to confirm it), else
/// pending, and the confirmation code is mailed.
///
/// # Errors
/// `validation_failed` with everything that is wrong; `conflict` when the address has an account; or a part
/// that this needs does not answer.
pub async fn create(app: &App, request: NewAccount, by: By, now: Timestamp) -> Result<PersonView, Problem> {
    let ground = &app.ground;
    let (who, roles) = check(app, &request)?;
    let hash = match request.credential {
        Credential::Password(password) => ground.password_pool.hash(password).await?,
        Credential::Hash(hash) => hash.trim().to_owned(),
    };
    let confirm = ground.settings.accounts.require_verified_email && !request.verified;
    let status = if confirm { Status::Pending } else { Status::Active };
    let id = ground.random.uuid(now);
    let key = ground.keyring.create(id).await?;
    let row = who.row(app, id, &key, Some(hash), status, now);
    let new = NewUser { roles, email_verified_at: request.verified.then_some(now), established_at: Some(now), ..row };
    let view = PersonView::open(&UserRow::from(&new), &key)?;
    let event = audit::Event::new(ground, audit::USER_CREATED, now)
        .actor(by.actor)
        .target(Target::user(id))
        .detail("verified", request.verified)
        .detail("roles", new.roles.clone());
    let (jobs, letter) = (ground.jobs.clone(), Requested { email: who.email.as_str().to_owned(), origin: Origin::default() });
    let created = ground
        .db
        .write(async move |tx| {
            if !roles::hold(tx, &new.roles).await? {
                return Err(Problem::new(Code::Conflict).detail("One of the roles was deleted at this moment."));
            }
            if !accounts::store::insert(tx, &new).await? {
                return Ok(false);
            }
            if confirm {
                // The code is made when it is mailed, so that it has its whole life before it even when nothing serves now.
                jobs.enqueue(tx, CODE_REQUESTED, &letter, now).await?;
            }
            audit::record(tx, &event).await?;
            Ok::<_, Problem>(true)
        })
        .await?;
    if !created {
        ground.keyring.destroy(id).await?;
        return Err(Problem::new(Code::Conflict).detail("This e-mail address has an account already."));
    }
    Ok(view)
}

fn check(app: &App, request: &NewAccount) -> Result<(Applicant, Vec<String>), Problem> {
    let mut errors = Vec::new();
    let password = match &request.credential {
        Credential::Password(password) => Some(password),
        Credential::Hash(hash) => {
            errors.extend(parse(hash.trim()).err().map(unusable));
            None
        }
    };
    let typed = Typed { email: &request.email, name: &request.name, role: request.role.as_deref(), password };
    let who = Applicant::check(&app.ground.settings.passwords, &typed, &mut errors);
    let roles = app.roles.check(&request.roles).map_err(|fault| errors.push(fault)).ok();
    match (who, roles) {
        (Some(who), Some(roles)) if errors.is_empty() => Ok((who, roles)),
        _ => Err(Problem { errors, ..Problem::new(Code::ValidationFailed) }),
    }
}

fn unusable(error: UnknownHash) -> FieldError {
    let (code, message) = match error {
        UnknownHash::Format => (
            "unknown_hash",
            "This hash is in no known format. Known are PHC strings of argon2, scrypt and pbkdf2, bcrypt, Django's pbkdf2_sha256, \
             phpass, {SSHA} and firebase-scrypt.",
        ),
        UnknownHash::Malformed => ("malformed_hash", "This hash is not complete. Quote it, so that the shell leaves every $ in it alone."),
        UnknownHash::TooCostly => ("costly_hash", "Verifying this hash would cost too much memory or time. Give a new password instead."),
    };
    FieldError { field: "passwordHash".into(), code, message: message.into() }
}
