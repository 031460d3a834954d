//! A forgotten password is replaced through a mailed link.

use secrecy::SecretString;

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
use secrecy::ExposeSecret;

fn used_up() -> Problem {
    Problem::new(Code::Gone).detail("This link was already used or has expired. Ask for a new one.")
}

/// Sets `password` for whoever the link `token` was mailed to; ends their sessions and takes a lock away.
pub async fn reset(app: &App, token: &str, password: SecretString, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    let ground = &app.ground;
    let errors = policy::check(&ground.settings.passwords, "password", password.expose_secret(), &[]);
    if !errors.is_empty() {
        return Err(Problem { errors, ..Problem::new(Code::ValidationFailed) });
    }
    // A made-up token must not cost a hash.
    if !codes::link_is_open(&ground.db, &ground.roots, Purpose::ResetPassword, token, now).await? {
        return Err(used_up());
    }
    let hash = ground.password_pool.hash(password).await?;
    let (this, token, origin) = (app.clone(), token.to_owned(), origin.clone());
    let user = ground
        .db
        .write(async move |tx| {
            let Some(used) = codes::use_link(tx, &this.ground.roots, Purpose::ResetPassword, &token, now).await? else {
                return Ok(None);
            };
            let user = used.subject;
            if !accounts::store::set_password(tx, user, &hash, now).await? {
                return Ok(None);
            }
            codes::void(tx, Purpose::ResetPassword, user, now).await?;
            store::clear_of(tx, user).await?;
            this.sessions.end_all(tx, user, EndReason::PasswordChanged, now).await?;
            let event = audit::Event::new(&this.ground, audit::PASSWORD_RESET, now)
                .actor(Actor::User(user))
                .target(Target::user(user))
                .origin(&this.ground, None, &origin);
            audit::record(tx, &event).await?;
            this.people.changed_on_commit(tx, user);
            Ok::<_, Problem>(Some(user))
        })
        .await?
        .ok_or_else(used_up)?;
    notify(app, user, now).await
}

/// Tells the owner that the password is another one now.
pub(super) async fn notify(app: &App, user: uuid::Uuid, now: Timestamp) -> Result<(), Problem> {
    let Some(person) = app.people.view(user).await? else { return Ok(()) };
    let (jobs, letter) = (app.ground.jobs.clone(), Letter::PasswordChanged { name: person.name.clone() });
    app.ground.db.write(async move |tx| mail::post(tx, &jobs, &person.email, letter.clone(), now).await.map(|_| ())).await?;
    Ok(())
}
