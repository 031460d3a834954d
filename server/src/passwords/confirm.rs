//! The address is confirmed with the mailed code, and the person is signed in.

use uuid::Uuid;

use super::letters::{Chosen, RESET_REQUESTED, Requested};
use crate::accounts::{self, Email, Status, seal_job_role, seal_name, store::Confirmed};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::codes::{self, Purpose};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::privacy::{self, Consent};
use crate::secret::PersonKey;
use crate::sessions::{self, SignIn};
use crate::time::Timestamp;

/// The same for a wrong, used or expired code and for an address that nobody has.
fn refused() -> Problem {
    Problem::new(Code::ValidationFailed).detail("The code is not right, or it has expired. Ask for a new one.").field(
        "code",
        "invalid_code",
        "The code is not right, or it has expired.",
    )
}

/// Confirms `email` with `code`.
pub async fn confirm(app: &App, email: &Email, code: &str, origin: &Origin, now: Timestamp) -> Result<SignIn, Problem> {
    let ground = &app.ground;
    let index = ground.keyring.blind_index("email", email.as_str());
    let row = accounts::store::find_by_email(&ground.db, index).await?.filter(|row| row.status == Status::Pending);
    let Some(row) = row else {
        // As much work as for somebody who exists: a try taken from nobody.
        let (roots, code) = (ground.roots.clone(), code.to_owned());
        ground.db.write(async move |tx| codes::use_code(tx, &roots, Purpose::VerifyEmail, Uuid::nil(), &code, now).await).await?;
        return Err(refused());
    };
    let key = ground.keyring.get(row.id).await?;
    let session = app.sessions.prepare(row.id, &key, origin, now);
    let event = |action, target| {
        audit::Event::new(ground, action, now).actor(Actor::User(row.id)).target(target).origin(ground, Some(&key), origin)
    };
    let verified = event(audit::EMAIL_VERIFIED, Target::user(row.id));
    let started = event(audit::SESSION_STARTED, Target::session(session.id())).detail("method", "email_code");
    let (user, code, new, sealing) = (row.id, code.to_owned(), session.clone(), key.clone());
    let choose = Requested { email: email.as_str().to_owned(), origin: origin.clone() };
    let (established, without_password) = (row.established_at.is_some(), row.established_at.is_some() && row.password_hash.is_none());
    let this = app.clone();
    let opened = ground
        .db
        .write(async move |tx| {
            let Some(used) = codes::use_code(tx, &this.ground.roots, Purpose::VerifyEmail, user, &code, now).await? else {
                // Committed, so that the try is spent.
                return Ok(false);
            };
            // An account that was in force before is never another's to fill in, whatever was given with the code.
            let payload = used.payload.filter(|_| !established);
            let chosen = payload.map(|sealed| Chosen::open(&sealing, used.id, &sealed)).transpose()?;
            let (with, consents) = chosen.map(|chosen| in_force(&this, &sealing, chosen)).unzip();
            let with = with.unwrap_or_default();
            if !accounts::store::confirm(tx, user, &with, now).await? {
                return Ok(false);
            }
            if let Some(consents) = consents {
                privacy::replace(tx, user, &consents).await?;
            }
            // An account that was made without a password gets one now.
            if with.password_hash == Some(None) || without_password {
                this.ground.jobs.enqueue(tx, RESET_REQUESTED, &choose, now).await?;
            }
            codes::void(tx, Purpose::VerifyEmail, user, now).await?;
            sessions::start(tx, &new).await?;
            audit::record(tx, &verified).await?;
            audit::record(tx, &started).await?;
            this.people.changed_on_commit(tx, user);
            Ok::<_, Problem>(true)
        })
        .await?;
    if !opened {
        return Err(refused());
    }
    let person = app.people.view(user).await?.ok_or(Code::SessionRevoked)?;
    app.sessions.signed_in(&session, &person, now)
}

/// What `chosen` puts in the place of what the first sign-up left.
fn in_force(app: &App, key: &PersonKey, chosen: Chosen) -> (Confirmed, Vec<Consent>) {
    let user = key.person();
    match chosen {
        Chosen::Nothing => (Confirmed { password_hash: Some(None), ..Confirmed::default() }, Vec::new()),
        Chosen::Given { name, role, password_hash, accepted, origin, at } => {
            let at = Timestamp::from_micros(at);
            let consents = accepted.iter().map(|accepted| privacy::give(&app.ground, user, key, accepted, &origin, at)).collect();
            let with = Confirmed {
                password_hash: Some(Some(password_hash)),
                name: Some(seal_name(key, user, &name)),
                job_role: role.map(|role| seal_job_role(key, user, &role)),
            };
            (with, consents)
        }
    }
}
