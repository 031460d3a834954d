//! A forgotten password is replaced through a mailed link.

use secrecy::{ExposeSecret, SecretString};

use super::{policy, store};
use crate::accounts;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::codes::{self, Purpose};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::mail::{self, Letter};
use crate::sessions::EndReason;
use crate::time::Timestamp;

fn used_up() -> Problem {
    Problem::new(Code::Gone).detail("This link was already used or has expired. Ask for a new one.")
}

/// Sets `password` for whoever the link `token` was mailed to; ends their sessions and personal access tokens, and takes a lock away.
pub async fn reset(app: &App, token: &str, password: SecretString, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    let ground = &app.ground;
    // A made-up token must cost neither a hash nor an estimate of the password.
    let owner = codes::link_owner(&ground.db, &ground.roots, Purpose::ResetPassword, token, now).await?.ok_or_else(used_up)?;
    let person = app.people.view(owner).await?.ok_or_else(used_up)?;
    let errors = policy::check(&ground.settings.passwords, "password", password.expose_secret(), &[&person.email, &person.name]);
    if !errors.is_empty() {
        return Err(Problem { errors, ..Problem::new(Code::ValidationFailed) });
    }
    let hash = ground.password_pool.hash(password).await?;
    let key = ground.keyring.get(owner).await?;
    let event = audit::Event::new(ground, audit::PASSWORD_RESET, now).actor(Actor::User(owner)).target(Target::user(owner)).origin(
        ground,
        Some(&key),
        origin,
    );
    let (this, token) = (app.clone(), token.to_owned());
    let done = ground
        .db
        .write(async move |tx| {
            if codes::use_link(tx, &this.ground.roots, Purpose::ResetPassword, &token, now).await?.is_none() {
                return Ok(false);
            }
            if !accounts::store::set_password(tx, owner, &hash, now).await? {
                return Ok(false);
            }
            codes::void(tx, Purpose::ResetPassword, owner, now).await?;
            store::clear_of(tx, owner).await?;
            let ended = this.sessions.end_all(tx, owner, EndReason::PasswordChanged, now).await?;
            // Whoever lost their password may have lost the account with it for a while, and tokens may have been made meanwhile.
            let tokens = this.tokens.revoke_all(tx, owner, now).await?;
            audit::record(tx, &event.clone().sessions(&ended).detail("tokensRevoked", tokens)).await?;
            let letter = Letter::PasswordChanged { name: person.name.clone() };
            mail::post(tx, &this.ground.jobs, &person.email, letter, now).await?;
            this.people.changed_on_commit(tx, owner);
            Ok::<_, Problem>(true)
        })
        .await?;
    if done { Ok(()) } else { Err(used_up()) }
}
