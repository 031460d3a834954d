//! Somebody signs up: the same answer, in the same time, whether or not the address is taken.
//!
//! What is done for a new address and for a taken one is alike, statement by statement: a hash, a key in the
//! keyring, one transaction with a row, a code, a job and an event. What differs (which mail goes out) is
//! decided afterwards by a job ([`super::letters`]).

use secrecy::SecretString;
use uuid::Uuid;

use super::applicant::Applicant;
use super::letters::{SIGNED_UP_AGAIN, SignedUpAgain};
use crate::accounts::{self, NewUser, PersonView, Status, UserBody, UserRow};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::codes::{self, NewCode, Purpose};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::mail::{self, Letter};
use crate::privacy::{self, Acceptance};
use crate::secret::PersonKey;
use crate::sessions::{self, SignIn};
use crate::time::Timestamp;

/// A checked sign-up.
pub struct SignUp {
    /// Who wants the account.
    pub who: Applicant,
    /// Good enough by the policy.
    pub password: SecretString,
    /// Policies accepted with it.
    pub accepted: Vec<Acceptance>,
}

/// What a sign-up leads to.
pub enum SignedUp {
    /// The address has to be confirmed first; or it is taken, which looks the same.
    Pending(UserBody),
    /// With verification switched off: signed in.
    SignedIn(Box<SignIn>),
}

/// Signs up.
pub async fn sign_up(app: &App, request: SignUp, origin: &Origin, now: Timestamp) -> Result<SignedUp, Problem> {
    let ground = &app.ground;
    let verify = ground.settings.accounts.require_verified_email;
    let hash = ground.password_pool.hash(request.password.clone()).await?;
    let id = ground.random.uuid(now);
    let key = ground.keyring.create(id).await?;
    let new = request.who.row(app, id, &key, Some(hash), if verify { Status::Pending } else { Status::Active }, now);
    let view = PersonView::open(&UserRow::from(&new), &key)?;
    if verify {
        pending(app, &request, new, &key, origin, now).await?;
        return Ok(SignedUp::Pending(view.body()));
    }
    at_once(app, &request, new, &key, origin, now).await.map(|signed_in| SignedUp::SignedIn(Box::new(signed_in)))
}

async fn pending(app: &App, request: &SignUp, new: NewUser, key: &PersonKey, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    let ground = &app.ground;
    let ttl = ground.settings.passwords.verify_ttl;
    let issued = NewCode::digits(ground, ground.random.uuid(now), Purpose::VerifyEmail, new.id, None, now, now.plus(ttl));
    let letter = Letter::VerifyEmail { name: request.who.name.clone(), code: issued.secret, minutes: ttl.as_secs() / 60 };
    let again = SignedUpAgain {
        email: request.who.email.as_str().to_owned(),
        name: request.who.name.clone(),
        role: request.who.role.clone(),
        password_hash: new.password_hash.clone().unwrap_or_default(),
        accepted: request.accepted.clone(),
        origin: origin.clone(),
        unused_key: new.id,
    };
    let refused = audit::Event::new(ground, audit::USER_REGISTERED, now)
        .actor(Actor::Unknown)
        .target(Target::none("address"))
        .denied()
        .origin(ground, None, origin);
    let event = registered(app, new.id, key, origin, now);
    let consents = consents(app, request, new.id, key, origin, now);
    let (jobs, code, to) = (ground.jobs.clone(), issued.code, request.who.email.as_str().to_owned());
    ground
        .db
        .write(async move |tx| {
            let new = accounts::store::insert(tx, &new).await?;
            // On a taken address this is the code of nobody, never told to anyone and purged like every other.
            codes::issue(tx, &code).await?;
            if new {
                mail::post(tx, &jobs, &to, letter.clone(), now).await?;
                privacy::write(tx, &consents).await?;
                audit::record(tx, &event).await?;
            } else {
                jobs.enqueue(tx, SIGNED_UP_AGAIN, &again, now).await?;
                privacy::pretend(tx, &consents).await?;
                audit::record(tx, &refused).await?;
            }
            Ok::<_, Problem>(())
        })
        .await
}

async fn at_once(app: &App, request: &SignUp, new: NewUser, key: &PersonKey, origin: &Origin, now: Timestamp) -> Result<SignIn, Problem> {
    let ground = &app.ground;
    let row = UserRow::from(&new);
    let session = app.sessions.prepare(new.id, key, origin, now);
    let event = registered(app, new.id, key, origin, now);
    let began = audit::Event::new(ground, audit::SESSION_STARTED, now)
        .actor(Actor::User(new.id))
        .target(Target::session(session.id()))
        .detail("method", "sign_up")
        .origin(ground, Some(key), origin);
    let consents = consents(app, request, new.id, key, origin, now);
    let started = session.clone();
    let inserted = ground
        .db
        .write(async move |tx| {
            if !accounts::store::insert(tx, &new).await? {
                return Ok(false);
            }
            privacy::write(tx, &consents).await?;
            sessions::start(tx, &started).await?;
            audit::record(tx, &event).await?;
            audit::record(tx, &began).await?;
            Ok::<_, Problem>(true)
        })
        .await?;
    if !inserted {
        // Without verification the answer is a session, so a taken address cannot look like a free one.
        ground.keyring.destroy(row.id).await?;
        return Err(Problem::new(Code::Conflict).detail("This e-mail address has an account already. Sign in, or reset the password."));
    }
    let person = app.people.opened(&row, key)?;
    app.sessions.signed_in(&session, &person, now)
}

fn registered(app: &App, id: Uuid, key: &PersonKey, origin: &Origin, now: Timestamp) -> audit::Event {
    audit::Event::new(&app.ground, audit::USER_REGISTERED, now).actor(Actor::User(id)).target(Target::user(id)).origin(
        &app.ground,
        Some(key),
        origin,
    )
}

fn consents(app: &App, request: &SignUp, id: Uuid, key: &PersonKey, origin: &Origin, now: Timestamp) -> Vec<privacy::Consent> {
    request.accepted.iter().map(|accepted| privacy::give(&app.ground, id, key, accepted, origin, now)).collect()
}
