//! The client comes back with the code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).

use super::codes;
use super::store::{self, Code};
use crate::accounts;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::Problem;
use crate::http::context::Origin;
use crate::oauth::client::{Client, Grant};
use crate::oauth::dpop;
use crate::oauth::error::{OAuthCode, OAuthError, Refusal};
use crate::oauth::form::Form;
use crate::oauth::grantor::{Grantor, Unfit};
use crate::oauth::token::{TokenAnswer, of_session};
use crate::secret::SealError;
use crate::sessions::{self, Authorization, EndReason, NewSession, TokenWish};
use crate::time::Timestamp;

const NOT_GOOD: OAuthError = OAuthError::new(
    OAuthCode::InvalidGrant,
    "The code is not good: it has expired, was used, or does not belong to this client, redirect_uri, code_verifier or key.",
);

/// A code for the tokens of a session, once. `jkt` is the thumbprint of the key that the client proves to have.
///
/// # Errors
/// `invalid_grant` for whatever is wrong with the code; one that comes a second time ends what it began.
pub(in crate::oauth) async fn redeem(
    app: &App,
    client: &Client,
    origin: &Origin,
    form: &Form,
    jkt: Option<&str>,
) -> Result<TokenAnswer, Refusal> {
    // Not the arrival of the head: a body that is held back must not keep a code alive.
    let now = app.ground.clock.now();
    let presented = form.required("code", "code is missing.")?;
    let redirect_uri = form.required("redirect_uri", "redirect_uri is missing.")?;
    let verifier = form.required("code_verifier", "code_verifier is missing.")?;
    let found = store::find(&app.ground.db, codes::hashes(&app.ground.roots, presented)).await?;
    let code = found.filter(|code| code.client == client.id).ok_or(NOT_GOOD)?;
    if code.used_at.is_some() {
        replayed(app, client, &code, origin, now).await?;
        return Err(NOT_GOOD.into());
    }
    let key_fits = code.jkt.is_none() || code.jkt.as_deref() == jkt;
    if now >= code.expires_at || code.redirect_uri != redirect_uri || !codes::verifies(&code.challenge, verifier) || !key_fits {
        return Err(NOT_GOOD.into());
    }
    let resources = narrowed(&code, form, app.ground.settings.public_url())?;
    let grantor = Grantor::of(app, code.session, now).await.map_err(|unfit| match unfit {
        Unfit::SignedOut | Unfit::Barred => NOT_GOOD.into(),
        Unfit::Failed(problem) => Refusal::from(problem),
    })?;
    let before = &grantor.session.authorization;
    let authorization = Authorization {
        client: client.id.clone(),
        scopes: code.scopes.clone(),
        resources: code.resources.clone(),
        auth_time: before.auth_time,
        amr: before.amr.clone(),
        parent: Some(code.session),
        jkt: dpop::of_refresh(client, jkt),
        impersonator: None,
    };
    let new = app.sessions.prepare_for_client(code.user, &grantor.key, origin, authorization, now);
    if !start(app, client, &code, &grantor, &new, origin, now).await? {
        // Somebody was faster with the same code, or the person has signed out: whichever it was, nothing of it stays.
        let again = store::find(&app.ground.db, codes::hashes(&app.ground.roots, presented)).await?;
        if let Some(code) = again.filter(|code| code.used_at.is_some()) {
            replayed(app, client, &code, origin, now).await?;
        }
        return Err(NOT_GOOD.into());
    }
    let refreshable = client.may(Grant::RefreshToken);
    let wish = TokenWish { resources: resources.as_deref(), jkt, refreshable, ..TokenWish::default() };
    of_session(app, client, new.session(), &grantor.view, wish, code.nonce.as_deref(), now)
}

/// Fewer audiences than were granted (RFC 8707 section 2.2).
fn narrowed(code: &Code, form: &Form, issuer: &str) -> Result<Option<Vec<String>>, OAuthError> {
    let asked: Vec<String> = form.all("resource").map(str::to_owned).collect();
    let fits = |one: &String| code.resources.contains(one) || (code.resources.is_empty() && one == issuer);
    if !asked.iter().all(fits) {
        return Err(OAuthError::new(OAuthCode::InvalidTarget, "The code was not granted for one of these resources."));
    }
    Ok((!asked.is_empty()).then_some(asked))
}

/// Uses the code up and begins the session, on record; false when there is nothing to use up.
async fn start(
    app: &App,
    client: &Client,
    code: &Code,
    grantor: &Grantor,
    new: &NewSession,
    origin: &Origin,
    now: Timestamp,
) -> Result<bool, Problem> {
    let event = audit::Event::new(&app.ground, audit::SESSION_STARTED, now)
        .actor(Actor::User(code.user))
        .target(Target::session(new.id()))
        .detail("method", "authorization_code")
        .detail("client", client.id.clone())
        .detail("code", code.id.to_string())
        .origin(&app.ground, Some(&grantor.key), origin);
    let (row, parent, new, id) = (grantor.row.clone(), code.session, new.clone(), code.id);
    app.ground
        .db
        .write(async move |tx| {
            if !accounts::store::hold(tx, &row).await?
                || !sessions::store::hold(tx, parent).await?
                || !store::redeem(tx, id, new.id(), now).await?
            {
                return Ok(false);
            }
            sessions::start(tx, &new).await?;
            audit::record(tx, &event).await?;
            Ok::<_, Problem>(true)
        })
        .await
}

/// A code that comes again was stolen, or so was the first use: what it began ends (RFC 6749 section 4.1.2).
async fn replayed(app: &App, client: &Client, code: &Code, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    let Some(session) = code.issued else { return Ok(()) };
    let key = match app.ground.keyring.get(code.user).await {
        Ok(key) => key,
        // Being erased at this moment, which ends the session as well.
        Err(SealError::Erased) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let event = audit::Event::new(&app.ground, audit::CODE_REPLAYED, now)
        .actor(client.uuid().map_or(Actor::Unknown, Actor::Client))
        .target(Target::session(session))
        .denied()
        .detail("client", client.id.clone())
        .detail("code", code.id.to_string())
        .origin(&app.ground, Some(&key), origin);
    let (sessions, user) = (app.sessions.clone(), code.user);
    app.ground
        .db
        .write(async move |tx| {
            if sessions.end_one(tx, session, user, EndReason::Replay, now).await? {
                audit::record(tx, &event).await?;
            }
            Ok::<_, Problem>(())
        })
        .await
}
