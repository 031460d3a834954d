//! `/api/v1/auth/refresh|logout|logout-all|me|verify|session` and `/api/v1/sessions`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::answer::{clear_cookie, cookie_token};
use super::device::{describe, open_device};
use super::store;
use super::token::RefreshToken;
use super::{EndReason, SessionView, SignInAnswer, Transport, UserAnswer};
use crate::accounts::UserBody;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, OptionalJson, Path, Query, json_bytes};
use crate::http::guard::{Caller, MaybePresent, Present, take, take_address};
use crate::http::limits::Policy;
use crate::http::page::{List, PageQuery};
use crate::http::visit::Visit;
use crate::time::Timestamp;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(logout_all))
        .routes(routes!(me))
        .routes(routes!(verify))
        .routes(routes!(session))
        .routes(routes!(extend))
        .routes(routes!(list, revoke_others))
        .routes(routes!(revoke))
}

/// A refresh token in the body, for clients without cookies.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefreshRequest {
    /// The refresh token; without it the cookie's is used.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

/// The refresh token of the request and how it came: in the body, or by cookie past the cross-site check.
fn presented(app: &App, headers: &HeaderMap, body: Option<RefreshRequest>) -> Result<Option<(SecretString, Transport)>, Problem> {
    if let Some(token) = body.and_then(|body| body.refresh_token) {
        return Ok(Some((token, Transport::Body)));
    }
    let Some(token) = cookie_token(headers, &app.ground.settings) else { return Ok(None) };
    // Without an authentic token there is no session to bind the check to, and nothing to protect.
    if let Some(opened) = RefreshToken::open(&app.ground.roots, &token) {
        app.ground.csrf.check(headers, opened.session)?;
    }
    Ok(Some((token, Transport::Cookie)))
}

/// Exchange the refresh token for its successor
///
/// The same token presented again within the reuse window gets the same successor, so two tabs or a lost
/// answer never sign anybody out. A token whose successor is in use, presented after the window, ends the session.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "sessions", operation_id = "refresh",
    request_body(content = Option<RefreshRequest>),
    params(("X-CSRF-Token" = Option<String>, Header, description = "Required when the cookie carries the token")),
    responses((status = 200, body = SignInAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn refresh(
    State(app): State<App>,
    visit: Visit,
    origin: Origin,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RefreshRequest>,
) -> Result<Response, Problem> {
    // Not the arrival of the head: with a body held back until the owner has refreshed, a stolen token would pass
    // for one that was under way at the same time.
    let now = app.ground.clock.now();
    let Some((token, transport)) = presented(&app, &headers, body)? else {
        take_address(&app, &visit, Policy::Global).await?;
        return Err(Problem::new(Code::Unauthenticated).detail("There is no refresh token in this request. Sign in."));
    };
    // An authentic token counts against its session, a made-up one against the address it comes from.
    let token = match app.sessions.open_refresh(&token) {
        Ok(token) => token,
        Err(error) => {
            take_address(&app, &visit, Policy::Global).await?;
            return Err(error.into_problem());
        }
    };
    take(&app, &visit, Policy::SignedIn, token.session.as_bytes()).await?;
    let signed_in = app.sessions.refresh(&token, &origin, now).await.map_err(super::refresh::RefreshError::into_problem)?;
    visit.set_user(signed_in.user());
    Ok(signed_in.answer(StatusCode::OK, transport))
}

/// Sign out
///
/// Ends the session of the access token, of the refresh token in the body, or of the cookie.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "sessions", operation_id = "logout",
    request_body(content = Option<RefreshRequest>), security((), ("bearer" = [])),
    params(("X-CSRF-Token" = Option<String>, Header, description = "Required when the cookie says which session")),
    responses((status = 204, description = "Signed out"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn logout(
    State(app): State<App>,
    MaybePresent(caller): MaybePresent,
    Now(now): Now,
    origin: Origin,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RefreshRequest>,
) -> Result<Response, Problem> {
    let ended = match caller {
        Some(caller) => Some((caller.session, caller.user)),
        None => match presented(&app, &headers, body)? {
            Some((token, transport)) => match app.sessions.open_refresh(&token) {
                Ok(token) => store::find(&app.ground.db, token.session)
                    .await?
                    .filter(|found| found.salt == token.salt)
                    .map(|found| (found.id, found.user)),
                // A cookie that says nothing is forgotten, and there is nothing to end.
                Err(_) if transport == Transport::Cookie => None,
                Err(error) => return Err(error.into_problem()),
            },
            None => return Err(Code::Unauthenticated.into()),
        },
    };
    if let Some((session, user)) = ended {
        app.sessions.end_on_record(session, user, EndReason::Logout, Actor::User(user), &origin, now).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if cookie_token(&headers, &app.ground.settings).is_some() {
        clear_cookie(&mut response, &app.ground.settings);
    }
    Ok(response)
}

/// Sign out everywhere
#[utoipa::path(post, path = "/api/v1/auth/logout-all", tag = "sessions", operation_id = "logoutAll", security(("bearer" = [])),
    responses((status = 204, description = "Every session of the caller has ended"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn logout_all(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    origin: Origin,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    end_many(&app, &caller, Uuid::nil(), EndReason::Logout, &origin, now).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if cookie_token(&headers, &app.ground.settings).is_some() {
        clear_cookie(&mut response, &app.ground.settings);
    }
    Ok(response)
}

async fn end_many(app: &App, caller: &Caller, keep: Uuid, reason: EndReason, origin: &Origin, now: Timestamp) -> Result<usize, Problem> {
    let user = caller.user;
    let key = app.ground.keyring.get(user).await?;
    let event = audit::Event::new(&app.ground, audit::SESSIONS_ENDED, now)
        .actor(Actor::User(user))
        .target(Target::user(user))
        .detail("reason", reason.as_str())
        .origin(&app.ground, Some(&key), origin);
    let sessions = app.sessions.clone();
    app.ground
        .db
        .write(async move |tx| {
            let ended = sessions.end_others(tx, user, keep, reason, now).await?;
            audit::record(tx, &event.clone().sessions(&ended)).await?;
            Ok::<_, Problem>(ended.len())
        })
        .await
}

/// Who am I
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "sessions", operation_id = "me", security(("bearer" = [])),
    responses((status = 200, body = UserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn me(State(app): State<App>, caller: Present) -> Result<Response, Problem> {
    let person = app.people.view(caller.user).await?.ok_or(Code::SessionRevoked)?;
    Ok(json_bytes(person.json.clone()))
}

/// What a token verification tells.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VerifyAnswer {
    /// Always true; a token that is not valid gets a 401.
    valid: bool,
    user: UserBody,
    session: SessionView,
    /// What the token may be used for at this moment.
    scopes: Vec<String>,
    /// The administrator who acts as the user; left out where nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonated_by: Option<Uuid>,
    /// When the token ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Whom is this token for, and until when
#[utoipa::path(get, path = "/api/v1/auth/verify", tag = "sessions", operation_id = "verify", security(("bearer" = [])),
    responses((status = 200, body = VerifyAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn verify(State(app): State<App>, caller: Present) -> Result<Json<VerifyAnswer>, Problem> {
    let person = app.people.view(caller.user).await?.ok_or(Code::SessionRevoked)?;
    let session = store::find(&app.ground.db, caller.session).await?.ok_or(Code::SessionRevoked)?;
    Ok(Json(VerifyAnswer {
        valid: true,
        user: person.body(),
        session: SessionView::from(&session),
        // What the token is good for at this moment, not when it was issued.
        scopes: app.scopes_now(&caller).await?.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect(),
        impersonated_by: caller.impersonator,
        expires_at: caller.expires_at,
    }))
}

/// Whether somebody is signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionAnswer {
    /// False when nobody is.
    authenticated: bool,
    #[schema(required = true)]
    session: Option<SessionView>,
    /// For requests that the cookie authenticates.
    #[schema(required = true)]
    csrf_token: Option<String>,
}

/// Is anybody signed in
///
/// By cookie or access token. A page that has just loaded asks this first; it also hands out the CSRF token.
#[utoipa::path(get, path = "/api/v1/auth/session", tag = "sessions", operation_id = "session", security((), ("bearer" = [])),
    responses((status = 200, body = SessionAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn session(
    State(app): State<App>,
    MaybePresent(caller): MaybePresent,
    Now(now): Now,
    headers: HeaderMap,
) -> Result<Json<SessionAnswer>, Problem> {
    let (id, salt) = match &caller {
        Some(caller) => (Some(caller.session), None),
        None => {
            let token = cookie_token(&headers, &app.ground.settings).and_then(|token| RefreshToken::open(&app.ground.roots, &token));
            token.map_or((None, None), |token| (Some(token.session), Some(token.salt)))
        }
    };
    let found = match id {
        Some(id) => store::find(&app.ground.db, id).await?,
        None => None,
    };
    let open = found.filter(|found| found.is_open(now) && salt.is_none_or(|salt| salt == found.salt));
    Ok(Json(match open {
        Some(open) => {
            SessionAnswer { authenticated: true, session: Some(SessionView::from(&open)), csrf_token: Some(app.ground.csrf.token(open.id)) }
        }
        None => SessionAnswer { authenticated: false, session: None, csrf_token: None },
    }))
}

/// `{session}`.
#[derive(Serialize, ToSchema)]
struct ExtendAnswer {
    session: SessionView,
}

/// Keep the session alive
///
/// Moves the idle end, and with it the end of the refresh token; the absolute end stays.
#[utoipa::path(post, path = "/api/v1/auth/session/extend", tag = "sessions", operation_id = "extendSession", security(("bearer" = [])),
    responses((status = 200, body = ExtendAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn extend(State(app): State<App>, caller: Caller, Now(now): Now) -> Result<Json<ExtendAnswer>, Problem> {
    let settings = &app.ground.settings;
    let (refresh_end, idle_end) = (now.plus(settings.tokens.refresh_ttl), now.plus(settings.sessions.idle_ttl));
    let session = store::extend(&app.ground.db, caller.session, now, refresh_end, idle_end).await?.ok_or(Code::SessionRevoked)?;
    Ok(Json(ExtendAnswer { session: SessionView::from(&session) }))
}

/// A row of the session list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionItem {
    /// The session's id.
    pub id: Uuid,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Browser and system in a few words.
    pub device: String,
    /// Where it was opened from.
    #[schema(required = true)]
    pub ip: Option<String>,
    /// The `User-Agent` it was opened with.
    #[schema(required = true)]
    pub user_agent: Option<String>,
    /// The application that it was opened for; `keystead` for a sign-in of one's own.
    pub client_id: String,
    /// The administrator who acts as the person in it; null for a session of one's own.
    #[schema(required = true)]
    pub impersonated_by: Option<Uuid>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Last use; lags by up to a minute.
    #[schema(value_type = String, format = DateTime)]
    pub last_active_at: Timestamp,
    /// When it ends whatever happens.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

const LIST: &str = "sessions";

/// My sessions, newest first
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", operation_id = "listSessions", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = List<SessionItem>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    caller: Present,
    Now(now): Now,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<SessionItem>>, Problem> {
    page_of(&app, caller.user, Some(caller.session), &query, now).await.map(Json)
}

/// A page of somebody's open sessions, as they see it from `current`.
pub async fn page_of(
    app: &App,
    user: Uuid,
    current: Option<Uuid>,
    query: &PageQuery,
    now: Timestamp,
) -> Result<List<SessionItem>, Problem> {
    let page = query.check(&app.ground.roots, LIST)?;
    let key = app.ground.keyring.get(user).await?;
    let rows = store::list(&app.ground.db, user, now, page.after, page.rows()).await?;
    let items = rows.into_iter().map(|(session, sealed)| {
        let device = open_device(&key, session.id, &sealed);
        SessionItem {
            id: session.id,
            current: Some(session.id) == current,
            device: match session.authorization.impersonator {
                Some(_) => "Administrator".to_owned(),
                None => describe(device.user_agent.as_deref()),
            },
            impersonated_by: session.authorization.impersonator,
            ip: device.ip,
            user_agent: device.user_agent,
            client_id: session.authorization.client,
            created_at: session.created_at,
            last_active_at: session.last_active_at,
            expires_at: session.expires_at,
        }
    });
    Ok(page.answer(&app.ground.roots, LIST, items.collect(), |item| item.id))
}

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
struct RevokedAnswer {
    revoked: usize,
}

/// End all my other sessions
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "sessions", operation_id = "revokeOtherSessions", security(("bearer" = [])),
    responses((status = 200, body = RevokedAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn revoke_others(State(app): State<App>, caller: Caller, Now(now): Now, origin: Origin) -> Result<Json<RevokedAnswer>, Problem> {
    let revoked = end_many(&app, &caller, caller.session, EndReason::Revoked, &origin, now).await?;
    Ok(Json(RevokedAnswer { revoked }))
}

/// End one of my sessions
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "revokeSession", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The session")),
    responses((status = 204, description = "Ended"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    // Somebody else's session answers like one that does not exist.
    if app.sessions.end_on_record(id, caller.user, EndReason::Revoked, Actor::User(caller.user), &origin, now).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Code::NotFound.into())
    }
}
