//! `GET|POST /oauth2/userinfo` (OpenID Connect Core section 5.3): who the person is, as far as they let the client know.
//!
//! All of it comes from memory: the token was verified before, the client and the person were read before, and each is
//! dropped from memory when it changes. So an answer says what is true at this moment, not at the sign-in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::form::Form;
use super::scopes::{EMAIL, OPENID, PROFILE};
use crate::accounts::PersonView;
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::body;
use crate::http::challenge::{Fault, Scheme, challenged};
use crate::http::extract::Json;
use crate::http::guard::{Presented, Subject, Verified, admit, presented, take_address};
use crate::http::limits::Policy;
use crate::http::visit::Visit;

/// Where clients ask.
pub const PATH: &str = "/oauth2/userinfo";

/// The parameter, for the API reference.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub(super) struct UserInfoRequest {
    /// The token, unless the `Authorization` header has it (RFC 6750 section 2.2).
    access_token: Option<String>,
}

/// Who it is (OpenID Connect Core section 5.1).
#[derive(Serialize, ToSchema)]
pub(super) struct UserInfo {
    /// The person, as in the ID token.
    sub: Uuid,
    /// Their name; with the scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When what is known about them was changed last, in seconds since 1970; with the scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<i64>,
    /// Their address; with the scope `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Whether the address is confirmed; with the scope `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

impl UserInfo {
    fn of(user: Uuid, person: &PersonView, token: &Verified) -> Self {
        let (profile, email) = (holds(token, PROFILE), holds(token, EMAIL));
        Self {
            sub: user,
            name: profile.then(|| person.name.clone()),
            updated_at: profile.then(|| person.updated_at.as_secs()),
            email: email.then(|| person.email.clone()),
            email_verified: email.then(|| person.email_verified()),
        }
    }
}

fn holds(token: &Verified, scope: &str) -> bool {
    token.scopes.iter().any(|held| held == scope)
}

/// Who signed in
///
/// As OpenID Connect Core section 5.3 says, with an access token that has the scope `openid`. What the answer tells is decided by
/// the scopes `profile` and `email`.
#[utoipa::path(get, path = "/oauth2/userinfo", tag = "oauth", operation_id = "userinfo", security(("bearer" = [])),
    responses((status = 200, body = UserInfo), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn userinfo(State(app): State<App>, visit: Visit, request: Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    answer(&app, &visit, &parts, presented(&parts)).await
}

/// The same, with the token in a form
///
/// The token may stand in the `Authorization` header here, too; not in both places.
#[utoipa::path(post, path = "/oauth2/userinfo", tag = "oauth", operation_id = "userinfoByForm", security(("bearer" = [])),
    request_body(content = inline(Option<UserInfoRequest>), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = UserInfo), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn userinfo_by_form(State(app): State<App>, visit: Visit, request: Request<Body>) -> Response {
    let (parts, content) = request.into_parts();
    let bytes = match body::read(content).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    let form = match Form::read(if Form::is_type_of(&parts.headers) { &bytes } else { b"" }) {
        Ok(form) => form,
        Err(error) => return malformed(&app, &visit, error.error_description).await,
    };
    let in_form = form.get("access_token").map(|token| Presented { scheme: Scheme::Bearer, token });
    match (presented(&parts), in_form) {
        (Some(_), Some(_)) => malformed(&app, &visit, "Send the access token in one place: in the header, or in the form.").await,
        (in_header, in_form) => answer(&app, &visit, &parts, in_header.or(in_form)).await,
    }
}

async fn malformed(app: &App, visit: &Visit, sentence: &'static str) -> Response {
    if let Err(problem) = take_address(app, visit, Policy::Global).await {
        return problem.into_response();
    }
    challenged(Problem::new(Code::InvalidRequest).detail(sentence), Scheme::Bearer, Fault::InvalidRequest).into_response()
}

async fn answer(app: &App, visit: &Visit, parts: &Parts, presented: Option<Presented<'_>>) -> Response {
    match look_up(app, visit, parts, presented).await {
        Ok(info) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Json(info)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn look_up(app: &App, visit: &Visit, parts: &Parts, presented: Option<Presented<'_>>) -> Result<UserInfo, Problem> {
    let token = admit(app, visit, parts, presented).await?;
    let lacking = |problem| challenged(problem, token.scheme(), Fault::InsufficientScope(Some(OPENID)));
    let Subject::Person { user, .. } = token.subject else {
        let detail = "This access token is not that of a person who signed in.";
        return Err(lacking(Problem::new(Code::Forbidden).detail(detail)));
    };
    if !holds(&token, OPENID) {
        let detail = "This needs the scope `openid`, which the access token does not have.";
        return Err(lacking(Problem::new(Code::InsufficientScope).detail(detail)));
    }
    let gone = || {
        let detail = "The client or the person of this access token is not there any more.";
        token.refused(Problem::new(Code::Unauthenticated).detail(detail))
    };
    app.oauth.clients.live(&token.client).await?.ok_or_else(gone)?;
    let person: Arc<PersonView> = app.people.view(user).await?.ok_or_else(gone)?;
    Ok(UserInfo::of(user, &person, &token))
}
