//! `POST /oauth2/revoke` (RFC 7009): a client gives back a token of its own.
//!
//! A token of a session ends the session, and with it every token of it. A token that a client got for itself is refused by
//! its id until it would have expired. Tokens of other clients, and what is no token, are answered alike and left alone.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use super::client::{AuthMethod, Client};
use super::client_auth::authenticate;
use super::error::{OAuthError, Refusal};
use super::form::Form;
use super::introspect::TokenQuestion;
use super::lookup::{Found, find};
use super::store;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Problem, ProblemBody};
use crate::http::context::Origin;
use crate::http::guard::{Subject, Verified};
use crate::http::visit::Visit;
use crate::sessions::EndReason;
use crate::time::Timestamp;

/// Give a token back
///
/// As RFC 7009 says: 200 whether or not there was anything to revoke. Public clients name themselves with `client_id`.
#[utoipa::path(post, path = "/oauth2/revoke", tag = "oauth", operation_id = "revokeToken", security(("client" = []), ()),
    request_body(content = inline(TokenQuestion), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is not good any more, if it was one of this client"),
        (status = 400, content((OAuthError = "application/json"), (ProblemBody = "application/problem+json"))), (status = 401, body = OAuthError),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn revoke(
    State(app): State<App>,
    visit: Visit,
    origin: Origin,
    headers: HeaderMap,
    form: Form,
) -> Result<StatusCode, Refusal> {
    let client = authenticate(&app, &visit, &origin, &headers, &form).await?;
    let token = form.required("token", "token is missing.")?;
    match find(&app, token, visit.now()).await?.filter(|found| found.client() == client.id) {
        Some(Found::Refresh { session, .. }) => end(&app, &client, session.id, session.user, &origin, visit.now()).await?,
        Some(Found::Access(verified)) => match verified.subject {
            Subject::Person { user, session, .. } => end(&app, &client, session, user, &origin, visit.now()).await?,
            Subject::Service(service) => deny(&app, service, &verified, &origin, visit.now()).await?,
        },
        None => {}
    }
    Ok(StatusCode::OK)
}

/// Ends the session of a token. A public client is whoever holds the token, and that is the person.
async fn end(app: &App, client: &Client, session: Uuid, user: Uuid, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    let actor = client.uuid().filter(|_| client.method != AuthMethod::None).map_or(Actor::User(user), Actor::Client);
    app.sessions.end_on_record(session, user, EndReason::RevokedByClient, actor, origin, now).await?;
    Ok(())
}

/// Has every instance refuse one token of a client.
async fn deny(app: &App, service: Uuid, verified: &Verified, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    let (jti, expires_at, revoked) = (verified.id, verified.expires_at, app.oauth.revoked.clone());
    let event = audit::Event::new(&app.ground, audit::TOKEN_REVOKED, now).actor(Actor::Client(service)).target(Target::token(jti)).origin(
        &app.ground,
        None,
        origin,
    );
    app.ground
        .db
        .write(async move |tx| {
            if store::revoke_token(tx, jti, now, expires_at).await? {
                audit::record(tx, &event).await?;
                revoked.push_on_commit(tx, vec![jti], now);
            }
            Ok::<_, Problem>(())
        })
        .await
}
