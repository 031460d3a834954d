//! A signed-in person changes the password; the other sessions end.

use secrecy::{ExposeSecret, SecretString};

use super::login::{check_password, refuse};
use super::policy;
use crate::accounts::{self, Email};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::codes::{self, Purpose};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::http::guard::Caller;
use crate::mail::{self, Letter};
use crate::sessions::EndReason;
use crate::time::Timestamp;

/// Changes the caller's password from `current` to `new`. Wrong guesses count towards the lockout, so a
/// stolen access token is no way to guess passwords.
pub async fn change(
    app: &App,
    caller: &Caller,
    current: &SecretString,
    new: SecretString,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), Problem> {
    let ground = &app.ground;
    let person = app.people.view(caller.user).await?.ok_or(Code::SessionRevoked)?;
    let errors = policy::check(&ground.settings.passwords, "newPassword", new.expose_secret(), &[&person.email, &person.name]);
    if !errors.is_empty() {
        return Err(Problem { errors, ..Problem::new(Code::ValidationFailed) });
    }
    let email = Email::parse(&person.email).map_err(Problem::internal)?;
    let address = ground.keyring.blind_index("email", email.as_str());
    let checked = check_password(app, address, current, now).await?;
    let right = checked.row.as_ref().filter(|row| checked.right && row.id == caller.user);
    let (Some(row), Some(key)) = (right, &checked.key) else {
        let problem = refuse(app, &email, address, &checked, origin, now).await?;
        return Err(problem.detail("The current password is not right."));
    };
    let hash = ground.password_pool.hash(new).await?;
    let event = audit::Event::new(ground, audit::PASSWORD_CHANGED, now).actor(Actor::User(row.id)).target(Target::user(row.id)).origin(
        ground,
        Some(key),
        origin,
    );
    let (this, user, session, old) = (app.clone(), caller.user, caller.session, row.password_hash.clone().unwrap_or_default());
    ground
        .db
        .write(async move |tx| {
            if !accounts::store::swap_password(tx, user, &old, &hash, now).await? {
                return Err(Problem::new(Code::Conflict).detail("The password was changed in the meantime. Sign in again."));
            }
            codes::void(tx, Purpose::ResetPassword, user, now).await?;
            let ended = this.sessions.end_others(tx, user, session, EndReason::PasswordChanged, now).await?;
            audit::record(tx, &event.clone().sessions(&ended)).await?;
            let letter = Letter::PasswordChanged { name: person.name.clone() };
            mail::post(tx, &this.ground.jobs, &person.email, letter, now).await?;
            this.people.changed_on_commit(tx, user);
            Ok(())
        })
        .await
}
