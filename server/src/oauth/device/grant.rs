//! The device comes back to the token endpoint (RFC 8628 sections 3.4 and 3.5).
//!
//! Polling is counted against the request, not against the address: devices behind one address do not use up each other's
//! budget, and each has a pace of its own in its row. Only a made-up code counts against the address it comes from.

use std::time::Duration;

use http::HeaderMap;
use uuid::Uuid;

use super::codes::{self, Kind};
use super::count;
use super::store::{self, Request, State};
use crate::accounts;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::Problem;
use crate::http::context::Origin;
use crate::http::guard::{take, take_address};
use crate::http::limits::Policy;
use crate::http::visit::Visit;
use crate::mail::{self, Letter};
use crate::oauth::client::{Client, Grant};
use crate::oauth::dpop;
use crate::oauth::error::{OAuthCode, OAuthError, Refusal};
use crate::oauth::form::Form;
use crate::oauth::grantor::{Grantor, Unfit};
use crate::oauth::resource;
use crate::oauth::token::{TokenAnswer, of_session};
use crate::sessions::{self, Authorization, NewSession, TokenWish};
use crate::time::Timestamp;

/// What a device that polls too fast waits longer from then on (RFC 8628 section 3.5).
const PENALTY: Duration = Duration::from_secs(5);
/// How early a poll may come: networks do not keep time.
const LEEWAY: Duration = Duration::from_millis(500);

const UNKNOWN: OAuthError =
    OAuthError::new(OAuthCode::InvalidGrant, "The device code is not one of this client, was used already, or its approval is void.");
const PENDING: OAuthError = OAuthError::new(OAuthCode::AuthorizationPending, "Nobody has approved the device yet.");
const TOO_FAST: OAuthError = OAuthError::new(OAuthCode::SlowDown, "The device polls too fast; wait five seconds longer from now on.");
const REFUSED: OAuthError = OAuthError::new(OAuthCode::AccessDenied, "The device was not let in.");
const EXPIRED: OAuthError = OAuthError::new(OAuthCode::ExpiredToken, "The device code has expired; begin anew.");

/// A device code for the tokens of a session, once. The caller has not counted the request.
pub(in crate::oauth) async fn redeem(
    app: &App,
    client: &Client,
    visit: &Visit,
    origin: &Origin,
    headers: &HeaderMap,
    form: &Form,
) -> Result<TokenAnswer, Refusal> {
    let request = match known(app, client, form).await {
        Ok(request) => request,
        Err(refusal) => {
            take_address(app, visit, Policy::Global).await?;
            return Err(refusal);
        }
    };
    take(app, visit, Policy::SignedIn, request.id.as_bytes()).await?;
    let now = visit.now();
    let jkt = dpop::binding(app, client, headers, app.ground.clock.now()).await?;
    match request.state {
        State::Used => Err(UNKNOWN.into()),
        State::Denied => Err(REFUSED.into()),
        _ if now >= request.expires_at => Err(EXPIRED.into()),
        State::Approved => {
            let resources = resource::asked(client, form, app.ground.settings.public_url())?;
            begin_session(app, client, &request, resources, jkt.as_deref(), origin, now).await
        }
        State::Pending => match store::poll(&app.ground.db, request.id, now, LEEWAY, PENALTY).await? {
            Some(true) => Err(TOO_FAST.into()),
            // Whoever decided a moment ago is heard by the next poll.
            Some(false) | None => Err(PENDING.into()),
        },
    }
}

/// The request of this client's device.
async fn known(app: &App, client: &Client, form: &Form) -> Result<Request, Refusal> {
    let code = form.required("device_code", "device_code is missing.")?;
    let hashes = codes::hashes(&app.ground.roots, Kind::Long, code);
    let found = store::find(&app.ground.db, hashes).await?;
    Ok(found.filter(|request| request.client == client.id).ok_or(UNKNOWN)?)
}

async fn begin_session(
    app: &App,
    client: &Client,
    request: &Request,
    resources: Vec<String>,
    jkt: Option<&str>,
    origin: &Origin,
    now: Timestamp,
) -> Result<TokenAnswer, Refusal> {
    let approver = approver(app, request, now).await?;
    let authorization = Authorization {
        client: client.id.clone(),
        scopes: request.scopes.clone(),
        resources,
        auth_time: approver.session.authorization.auth_time,
        amr: approver.session.authorization.amr.clone(),
        // A device outlives the browser in which it was let in.
        parent: None,
        jkt: dpop::of_refresh(client, jkt),
        impersonator: None,
    };
    let new = app.sessions.prepare_for_client(approver.row.id, &approver.key, origin, authorization, now);
    if !start(app, client, request.id, &approver, &new, origin, now).await? {
        // Another poll was faster, or the approval has become void.
        return Err(UNKNOWN.into());
    }
    count("signed_in");
    let wish = TokenWish { jkt, refreshable: client.may(Grant::RefreshToken), ..TokenWish::default() };
    of_session(app, client, new.session(), &approver.view, wish, None, now)
}

/// Whoever let the device in.
async fn approver(app: &App, request: &Request, now: Timestamp) -> Result<Grantor, Refusal> {
    Grantor::of(app, request.session.ok_or(UNKNOWN)?, now).await.map_err(|unfit| match unfit {
        Unfit::SignedOut => UNKNOWN.into(),
        Unfit::Barred => REFUSED.into(),
        Unfit::Failed(problem) => problem.into(),
    })
}

/// Uses the approval up and begins the session, on record and told to the person; false when there is nothing to use up.
async fn start(
    app: &App,
    client: &Client,
    request: Uuid,
    approver: &Grantor,
    new: &NewSession,
    origin: &Origin,
    now: Timestamp,
) -> Result<bool, Problem> {
    let event = audit::Event::new(&app.ground, audit::SESSION_STARTED, now)
        .actor(Actor::User(approver.row.id))
        .target(Target::session(new.id()))
        .detail("method", "device")
        .detail("client", client.id.clone())
        .detail("request", request.to_string())
        .origin(&app.ground, Some(&approver.key), origin);
    let letter = Letter::DeviceSignedIn {
        name: approver.view.name.clone(),
        client: client.name.clone(),
        device: sessions::describe(origin.user_agent.as_deref()),
        at: now.to_rfc3339(),
    };
    let (row, parent, email) = (approver.row.clone(), approver.session.id, approver.view.email.clone());
    let (new, jobs) = (new.clone(), app.ground.jobs.clone());
    app.ground
        .db
        .write(async move |tx| {
            if !accounts::store::hold(tx, &row).await?
                || !sessions::store::hold(tx, parent).await?
                || !store::redeem(tx, request, now).await?
            {
                return Ok(false);
            }
            sessions::start(tx, &new).await?;
            audit::record(tx, &event).await?;
            mail::post(tx, &jobs, &email, letter.clone(), now).await?;
            Ok::<_, Problem>(true)
        })
        .await
}
