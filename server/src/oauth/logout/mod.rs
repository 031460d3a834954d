//! `GET|POST /oauth2/logout` (OpenID Connect RP-Initiated Logout 1.0): a client sends a person here to sign out.
//!
//! An ID token of ours, shown as `id_token_hint`, proves which session is meant: that one ends, and with it the sign-in of the
//! browser that it was opened from and what else was opened from there. Without one anybody could have sent the person, so
//! they are asked first, by a page ([`page`]) that ends the session of the browser through the API. Nobody is sent on but to
//! an address that the client registered, letter by letter.

mod page;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

pub use page::files;

use self::page::Page;
use super::client::Client;
use super::form::Form;
use super::id_token::{Hint, read_hint};
use crate::app::App;
use crate::audit::Actor;
use crate::error::{Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::guard::take_address;
use crate::http::limits::Policy;
use crate::http::visit::Visit;
use crate::sessions::{self, EndReason};
use crate::time::Timestamp;

/// Where clients send people to sign out.
pub const PATH: &str = "/oauth2/logout";

/// The parameters, for the API reference (section 2).
#[derive(Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query and the form")]
pub(super) struct LogoutRequest {
    /// The ID token of the session that is to end; it may have expired.
    id_token_hint: Option<String>,
    /// Whom the client believes to be signed in. Not needed here.
    logout_hint: Option<String>,
    /// The client, for when there is no ID token.
    client_id: Option<String>,
    /// Where to send the person afterwards: one of the client's registered addresses, as it is registered.
    post_logout_redirect_uri: Option<String>,
    /// Comes back with the person.
    state: Option<String>,
    /// Languages of the page. There is one so far.
    ui_locales: Option<String>,
}

/// What is wrong with a request, for the person who was sent here with it.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Form(&'static str),
    TwoClients,
    NotRegistered,
}

impl Wrong {
    const fn sentence(self) -> &'static str {
        match self {
            Self::Form(sentence) => sentence,
            Self::TwoClients => "The application that sent you here names itself in two ways.",
            Self::NotRegistered => "The application that sent you here wants you to go on to an address that it has not registered.",
        }
    }
}

/// Sign out of everything that was opened in one browser
///
/// With an `id_token_hint` the session ends at once, and the person is sent to `post_logout_redirect_uri` if it is registered for the
/// client. Without one they are asked first.
#[utoipa::path(get, path = "/oauth2/logout", tag = "oauth", operation_id = "endSession", params(LogoutRequest), security(()),
    responses((status = 200, body = String, content_type = "text/html", description = "Signed out, or a page that asks"),
        (status = 303, description = "Signed out; on to the client", headers(("location" = String))),
        (status = 400, content((String = "text/html"), (ProblemBody = "application/problem+json"))),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn logout(
    State(app): State<App>,
    visit: Visit,
    Now(now): Now,
    origin: Origin,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    take_address(&app, &visit, Policy::Global).await?;
    match Form::read(query.unwrap_or_default().as_bytes()) {
        Ok(form) => answer(&app, &form, &origin, now).await,
        Err(error) => Ok(refused(Wrong::Form(error.error_description))),
    }
}

/// The same, with the parameters in a form
#[utoipa::path(post, path = "/oauth2/logout", tag = "oauth", operation_id = "endSessionByForm", security(()),
    request_body(content = inline(LogoutRequest), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = String, content_type = "text/html", description = "Signed out, or a page that asks"),
        (status = 303, description = "Signed out; on to the client", headers(("location" = String))),
        (status = 400, content((super::error::OAuthError = "application/json"), (String = "text/html"), (ProblemBody = "application/problem+json"))),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn logout_by_form(
    State(app): State<App>,
    visit: Visit,
    Now(now): Now,
    origin: Origin,
    form: Form,
) -> Result<Response, Problem> {
    take_address(&app, &visit, Policy::Global).await?;
    answer(&app, &form, &origin, now).await
}

async fn answer(app: &App, form: &Form, origin: &Origin, now: Timestamp) -> Result<Response, Problem> {
    let hint = match form.get("id_token_hint") {
        Some(token) => read_hint(&app.ground, token).await?,
        None => None,
    };
    let (named, proven) = (form.get("client_id"), hint.as_ref().map(|hint| hint.aud.as_str()));
    if let (Some(named), Some(proven)) = (named, proven)
        && named != proven
    {
        return Ok(refused(Wrong::TwoClients));
    }
    let client = match proven.or(named) {
        Some(id) => app.oauth.clients.live(id).await?,
        None => None,
    };
    let Ok(next) = next(client.as_deref(), form) else { return Ok(refused(Wrong::NotRegistered)) };
    let Some(hint) = hint else { return Ok(Page::asking(client.as_deref(), next.as_deref()).into_response()) };
    end(app, &hint, origin, now).await?;
    Ok(match next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        Some(next) => (StatusCode::SEE_OTHER, [(header::LOCATION, next)]).into_response(),
        None => Page::done().into_response(),
    })
}

/// Where the person goes afterwards, if anywhere.
fn next(client: Option<&Client>, form: &Form) -> Result<Option<String>, Wrong> {
    let Some(wanted) = form.get("post_logout_redirect_uri") else { return Ok(None) };
    let registered = client.is_some_and(|client| client.party.post_logout_redirect_uris.iter().any(|known| known == wanted));
    if !registered {
        return Err(Wrong::NotRegistered);
    }
    let Some(state) = form.get("state") else { return Ok(Some(wanted.to_owned())) };
    let state = form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
    let joint = if wanted.contains('?') { '&' } else { '?' };
    Ok(Some(format!("{wanted}{joint}{state}")))
}

/// Ends what the hint proves: the client's session, and the sign-in of the browser that it was opened from, if it was, with all
/// else that was opened from there. What has ended already stays as it is.
async fn end(app: &App, hint: &Hint, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    let session = sessions::store::find(&app.ground.db, hint.sid).await?;
    let Some(session) = session.filter(|session| session.user == hint.sub && session.client() == hint.aud) else { return Ok(()) };
    // With the browser's sign-in goes what was opened from it, but what was granted to go on without the person: of that,
    // only what the hint names.
    for one in session.authorization.parent.into_iter().chain([session.id]) {
        app.sessions.end_on_record(one, session.user, EndReason::Logout, Actor::User(session.user), origin, now).await?;
    }
    Ok(())
}

fn refused(wrong: Wrong) -> Response {
    (StatusCode::BAD_REQUEST, Page::refused(wrong.sentence())).into_response()
}
