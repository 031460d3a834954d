//! A person makes a token for a program of theirs.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::secret;
use super::store::{self, Stored};
use super::view::{self, TokenView};
use crate::access::scope::PERSONAL;
use crate::accounts::check_name;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, FieldError, Problem};
use crate::http::context::Origin;
use crate::mail::{self, Letter};
use crate::sessions;
use crate::time::Timestamp;

/// Live tokens that a person has at most.
pub const TOKENS_MAX: i64 = 50;
/// How long a token lives unless its person says otherwise.
pub const LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long a token lives at most.
pub const LIFETIME_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const LIFETIME_MIN: Duration = Duration::from_secs(60);
const SCOPES_MAX: usize = 100;

/// A token that is wanted.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewToken {
    /// What to call it: the program, the machine.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// What it may be used for: `account:read`, `exports:write`, `flags:evaluate`, and whatever your roles grant.
    #[schema(min_items = 1, max_items = 100)]
    pub scopes: Vec<String>,
    /// How long it lives, in seconds; 90 days when left out, a year at most.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 31_536_000)]
    pub expires_in: Option<u64>,
}

/// A token that was made just now.
pub(super) struct Made {
    pub view: TokenView,
    pub secret: SecretString,
}

/// Makes a token for `user` in their `session`, on record and with a letter to them.
///
/// # Errors
/// `validation_failed` with everything that is wrong; `conflict` when they have too many.
pub(super) async fn create(app: &App, user: Uuid, session: Uuid, new: NewToken, origin: &Origin, now: Timestamp) -> Result<Made, Problem> {
    let ground = &app.ground;
    let person = app.people.view(user).await?.ok_or(Code::SessionRevoked)?;
    let (name, lifetime) = check(app, &person.roles, &new)?;
    let key = ground.keyring.get(user).await?;
    let (secret, hash) = secret::generate(&ground.roots, &ground.random);
    let id = ground.random.uuid(now);
    let mut scopes = new.scopes;
    scopes.sort_unstable();
    let stored = Stored {
        id,
        user,
        name: view::seal_name(&key, id, &name),
        scopes,
        created_at: now,
        expires_at: now.plus(lifetime),
        last_used_at: None,
        revoked_at: None,
    };
    let event = audit::Event::new(ground, audit::PERSONAL_TOKEN_CREATED, now)
        .actor(Actor::User(user))
        .target(Target::token(id))
        .detail("scopes", stored.scopes.clone())
        .detail("expiresAt", stored.expires_at.to_rfc3339())
        .origin(ground, Some(&key), origin);
    let letter = Letter::TokenCreated {
        name: person.name.clone(),
        token: name,
        scopes: stored.scopes.join(", "),
        device: sessions::describe(origin.user_agent.as_deref()),
        at: now.to_rfc3339(),
    };
    let (jobs, email, row) = (ground.jobs.clone(), person.email.clone(), stored.clone());
    ground
        .db
        .write(async move |tx| {
            // A request may be held back until after everything was taken from whoever sends it.
            if !store::hold(tx, user).await? || !sessions::store::hold(tx, session).await? {
                return Err(Problem::new(Code::SessionRevoked));
            }
            if store::count(tx, user, now).await? >= TOKENS_MAX {
                return Err(Problem::new(Code::Conflict).detail(format!("You have {TOKENS_MAX} tokens. Revoke one that is not used.")));
            }
            store::insert(tx, &row, hash).await?;
            audit::record(tx, &event).await?;
            mail::post(tx, &jobs, &email, letter.clone(), now).await?;
            Ok(())
        })
        .await?;
    Ok(Made { view: view::open(stored, &key)?, secret })
}

/// Everything that is wrong at once; or the name and the lifetime.
fn check(app: &App, held: &[String], new: &NewToken) -> Result<(String, Duration), Problem> {
    let mut errors = Vec::new();
    let name = check_name(&new.name).unwrap_or_else(|fault| {
        let message = if fault.code == "required" { "Name the token.".into() } else { fault.message };
        errors.push(FieldError { message, ..fault });
        String::new()
    });
    let lifetime = new.expires_in.map_or(LIFETIME, Duration::from_secs);
    let mut refuse = |field: String, code, message: &'static str| {
        errors.push(FieldError { field: field.into(), code, message: message.into() });
    };
    if !(LIFETIME_MIN..=LIFETIME_MAX).contains(&lifetime) {
        refuse("expiresIn".into(), "out_of_range", "A token lives from a minute to a year: 60 to 31536000 seconds.");
    }
    match new.scopes.len() {
        0 => refuse("scopes".into(), "required", "Name what the token is for: at least one scope."),
        count if count > SCOPES_MAX => refuse("scopes".into(), "too_many", "A token has at most 100 scopes."),
        _ => {}
    }
    let roles = app.roles.snapshot();
    for (index, scope) in new.scopes.iter().take(SCOPES_MAX).enumerate() {
        let granted = PERSONAL.contains(&scope.as_str()) || (roles.governs(scope) && roles.grants(held, scope));
        if !granted {
            refuse(format!("scopes.{index}"), "not_granted", "You do not have this scope yourself.");
        } else if new.scopes[..index].contains(scope) {
            refuse(format!("scopes.{index}"), "duplicate", "Name each scope once.");
        }
    }
    if errors.is_empty() { Ok((name, lifetime)) } else { Err(Problem { errors, ..Problem::new(Code::ValidationFailed) }) }
}
