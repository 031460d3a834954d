//! `GET|POST /oauth2/authorize`.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};

use super::decision;
use super::request::{Addressed, Asked};
use super::{count, page, pushed, send_back};
use crate::app::App;
use crate::error::{Problem, ProblemBody};
use crate::http::context::Origin;
use crate::http::guard::{Subject, Visitor, presented};
use crate::http::visit::Visit;
use crate::oauth::error::{OAuthCode, OAuthError, Refusal};
use crate::oauth::form::Form;
use crate::oauth::grantor::{Grantor, Unfit};
use crate::time::Timestamp;

/// Where applications send people.
pub(in crate::oauth) const PATH: &str = "/oauth2/authorize";

const LOGIN_REQUIRED: OAuthError = OAuthError::new(OAuthCode::LoginRequired, "Nobody is signed in, or not recently enough.");
const CONSENT_REQUIRED: OAuthError = OAuthError::new(OAuthCode::ConsentRequired, "The person has not agreed to this yet.");
const MUST_PUSH: OAuthError = OAuthError::new(OAuthCode::InvalidRequest, "The client was registered to push its requests (RFC 9126).");

/// Send a person here to sign them in
///
/// As RFC 6749 section 4.1 and OpenID Connect say, with PKCE (S256) always. The browser is sent on to a page where the person
/// signs in and agrees, and from there back to `redirect_uri` with `code`, `state` and `iss` (RFC 9207). Whoever is signed in
/// and has agreed before is sent back at once. Parameters that are not known are passed over.
#[utoipa::path(get, path = "/oauth2/authorize", tag = "oauth", operation_id = "authorize", security((), ("bearer" = [])),
    params(("client_id" = String, Query, description = "The client"), ("response_type" = Option<String>, Query, description = "`code`"),
        ("redirect_uri" = Option<String>, Query, description = "One of the client's registered addresses, letter by letter"),
        ("scope" = Option<String>, Query, description = "Scopes separated by spaces"), ("state" = Option<String>, Query, description = "Comes back as it is"),
        ("code_challenge" = Option<String>, Query, description = "SHA-256 of the code verifier in base64url (RFC 7636)"),
        ("code_challenge_method" = Option<String>, Query, description = "`S256`"),
        ("nonce" = Option<String>, Query, description = "Stands in the ID token as it is"),
        ("prompt" = Option<String>, Query, description = "`none`, `login`, `consent`, `select_account`"),
        ("max_age" = Option<String>, Query, description = "Seconds since the person proved who they are, at most"),
        ("login_hint" = Option<String>, Query, description = "Their e-mail address, if the client knows it"),
        ("resource" = Option<String>, Query, description = "What the tokens are for (RFC 8707); may be repeated"),
        ("dpop_jkt" = Option<String>, Query, description = "Thumbprint of the key that the code is bound to (RFC 9449)"),
        ("request_uri" = Option<String>, Query, description = "A request that was pushed before (RFC 9126); then only `client_id` is read besides")),
    responses((status = 303, description = "To the page where the person decides, or back to the client", headers(("location" = String))),
        (status = 400, description = "The link is wrong, and nobody can be sent back", content((OAuthError = "application/json"), (String = "text/html"), (ProblemBody = "application/problem+json"))),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn authorize(
    State(app): State<App>,
    visitor: Visitor,
    origin: Origin,
    parts: Parts,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    answer(&app, &visitor.visit, &origin, &parts, Form::read(query.unwrap_or_default().as_bytes())).await
}

/// Send a person here by a form
///
/// The same as the GET, with the parameters in the body.
#[utoipa::path(post, path = "/oauth2/authorize", tag = "oauth", operation_id = "authorizeByForm", security((), ("bearer" = [])),
    request_body(content = inline(super::pushed::AuthorizationRequest), content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "To the page where the person decides, or back to the client", headers(("location" = String))),
        (status = 400, description = "The form is wrong, and nobody can be sent back", content((OAuthError = "application/json"), (String = "text/html"), (ProblemBody = "application/problem+json"))),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn authorize_by_form(
    State(app): State<App>,
    visitor: Visitor,
    origin: Origin,
    parts: Parts,
    form: Form,
) -> Result<Response, Problem> {
    answer(&app, &visitor.visit, &origin, &parts, Ok(form)).await
}

async fn answer(app: &App, visit: &Visit, origin: &Origin, parts: &Parts, form: Result<Form, OAuthError>) -> Result<Response, Problem> {
    let (now, issuer) = (visit.now(), app.ground.settings.public_url());
    let read = match form {
        Ok(form) => read(app, &form, now).await,
        Err(error) => Err(error.into()),
    };
    let (addressed, asked) = match read {
        Ok(read) => read,
        Err(Refusal::OAuth(error)) => return Ok(cannot_send_back(parts, error)),
        Err(Refusal::Problem(problem)) => return Err(problem),
    };
    let outcome = match asked {
        Ok(asked) => go_on(app, &addressed, &asked, parts, origin, now).await,
        Err(error) => Err(error.into()),
    };
    let to = match outcome {
        Ok(to) => to,
        Err(Refusal::OAuth(error)) => {
            count("refused");
            send_back::refusal(&addressed, issuer, error)?
        }
        Err(Refusal::Problem(problem)) => return Err(problem),
    };
    send_back::see_other(&to)
}

/// Who asks; and what, or why not.
async fn read(app: &App, form: &Form, now: Timestamp) -> Result<(Addressed, Result<Asked, OAuthError>), Refusal> {
    if let Some(uri) = form.get("request_uri") {
        let asked = pushed::take(app, form.required("client_id", "The link has no client_id.")?, uri, now).await?;
        return Ok((Addressed::again(app, &asked).await?, Ok(asked)));
    }
    let addressed = Addressed::of(app, form).await?;
    let asked = match addressed.client.party.require_pushed {
        true => Err(MUST_PUSH),
        false => Asked::read(&addressed, form, app.ground.settings.public_url(), now),
    };
    Ok((addressed, asked))
}

/// Where the browser goes: back with a code when nothing is left to decide, else to the page.
async fn go_on(app: &App, addressed: &Addressed, asked: &Asked, parts: &Parts, origin: &Origin, now: Timestamp) -> Result<String, Refusal> {
    let silent = asked.prompts("none");
    let seated = seated(app, parts, now).await?.filter(|grantor| !asked.wants_sign_in_after(grantor.session.authorization.auth_time));
    let Some(grantor) = seated.filter(|_| !asked.prompts("select_account")) else {
        return if silent { Err(LOGIN_REQUIRED.into()) } else { to_the_page(app, asked) };
    };
    let agreed = match decision::agreed(app, addressed, asked, grantor.row.id).await? {
        Some(how) => how,
        None if silent => return Err(CONSENT_REQUIRED.into()),
        None => return to_the_page(app, asked),
    };
    Ok(decision::grant(app, addressed, asked, asked.scopes.clone(), &grantor, agreed, origin, now).await?)
}

fn to_the_page(app: &App, asked: &Asked) -> Result<String, Refusal> {
    count("asked");
    Ok(format!("{}?request={}", app.link("authorize", None), asked.seal(&app.ground.roots)?))
}

/// Who is signed in, by an access token of their own or by their browser's cookie.
async fn seated(app: &App, parts: &Parts, now: Timestamp) -> Result<Option<Grantor>, Problem> {
    let session = match presented(parts) {
        Some(token) => {
            app.authenticate(parts, token, now).await.ok().filter(|verified| verified.own).and_then(|verified| match verified.subject {
                Subject::Person { session, .. } => Some(session),
                _ => None,
            })
        }
        None => app.sessions.of_browser(&parts.headers, now).await?.map(|session| session.id),
    };
    let Some(session) = session else { return Ok(None) };
    match Grantor::of(app, session, now).await {
        Ok(grantor) => Ok(Some(grantor)),
        Err(Unfit::SignedOut | Unfit::Barred) => Ok(None),
        Err(Unfit::Failed(problem)) => Err(problem),
    }
}

/// Nobody may be sent to an address that is not known to be the client's: the person is told instead.
fn cannot_send_back(parts: &Parts, error: OAuthError) -> Response {
    count("unreadable");
    let accepts = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/html") {
        return page::failed(StatusCode::BAD_REQUEST, error.error_description);
    }
    let mut response = error.into_response();
    // `invalid_client` is a 401 where a client proves itself; here it is a person's browser that asks.
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().remove(header::WWW_AUTHENTICATE);
    response
}
