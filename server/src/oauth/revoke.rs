//! `POST /oauth2/revoke` (RFC 7009): a client gives back a token of its own.
//!
//! A token of a session ends the session, and with it every token of it. A token that a client got for itself is refused by
//! its id until it would have expired. A personal access token was issued to no client: whoever holds it may give it back, so that
//! one that leaked is stopped by whoever finds it. Tokens of other clients, and what is no token, are answered alike and left alone.

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
use crate::secret::SealError;
use crate::sessions::EndReason;
use crate::time::Timestamp;
use crate::tokens;

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
    match find(&app, token, visit.now()).await?.filter(|found| found.is_revocable_by(&client.id)) {
        Some(Found::Refresh { session, .. }) => end(&app, &client, session.id, session.user, &origin, visit.now()).await?,
        Some(Found::Access(verified)) => match verified.subject {
            Subject::Person { user, session, .. } => end(&app, &client, session, user, &origin, visit.now()).await?,
            Subject::Token { user, token } => end_personal(&app, &client, token, user, &origin, visit.now()).await?,
            Subject::Service(service) => deny(&app, service, &verified, &origin, visit.now()).await?,
        },
        None => {}
    }
    Ok(StatusCode::OK)
}

/// Ends the session of a token.
async fn end(app: &App, client: &Client, session: Uuid, user: Uuid, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    app.sessions.end_on_record(session, user, EndReason::RevokedByClient, actor(client, user), origin, now).await?;
    Ok(())
}

/// Revokes a personal access token.
async fn end_personal(app: &App, client: &Client, token: Uuid, user: Uuid, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    let key = match app.ground.keyring.get(user).await {
        Ok(key) => key,
        // Being erased at this moment, which ends the token as well.
        Err(SealError::Erased) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let event = tokens::revocation(app, token, now).actor(actor(client, user)).origin(&app.ground, Some(&key), origin);
    tokens::revoke(app, token, user, event, now).await.map(|_| ())
}

/// Who gives back a token of `user`: a public client is whoever holds it, and that is the person.
fn actor(client: &Client, user: Uuid) -> Actor {
    client.uuid().filter(|_| client.method != AuthMethod::None).map_or(Actor::User(user), Actor::Client)
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
