//! `POST /oauth2/device_authorization` (RFC 8628 section 3.1): a device asks to be signed in.
//!
//! Anybody can call themselves a public client, so what one address may have open is bounded, and how often it may ask. A
//! client that proved itself is bounded as itself: its devices may all ask through one server.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::codes::{self, Kind};
use super::{count, store};
use crate::app::App;
use crate::db::DbError;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Origin;
use crate::http::extract::Json;
use crate::http::guard::take_address;
use crate::http::limits::Policy;
use crate::http::visit::Visit;
use crate::oauth::client::{AuthMethod, Client, Grant};
use crate::oauth::client_auth::authenticate;
use crate::oauth::error::{OAuthCode, OAuthError, Refusal};
use crate::oauth::form::Form;
use crate::oauth::token::granted;
use crate::secret::Purpose;

/// Where devices begin.
pub(in crate::oauth) const PATH: &str = "/oauth2/device_authorization";

/// Open requests of one address.
const OPEN_PER_ADDRESS: u32 = 20;
/// Open requests of a client that proved itself.
const OPEN_PER_CLIENT: u32 = 1_000;
/// Two equal short codes among the open ones are one chance in billions.
const TRIES: usize = 3;

/// The parameters, for the API reference.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub(in crate::oauth) struct DeviceAuthorizationRequest {
    /// The client, unless the `Authorization` header says it.
    client_id: Option<String>,
    /// Scopes separated by spaces; all that the client was registered for when left out.
    scope: Option<String>,
    /// The client's secret, unless the `Authorization` header has it.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// A JWT signed by the client.
    client_assertion: Option<String>,
}

/// What the device shows and polls with (RFC 8628 section 3.2).
#[derive(Serialize, ToSchema)]
pub(in crate::oauth) struct DeviceAuthorization {
    /// For the token endpoint; shown to nobody.
    device_code: String,
    /// What the person types.
    #[schema(example = "WDJB-MJHT", pattern = "^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$")]
    user_code: String,
    /// Where they type it.
    verification_uri: String,
    /// The same page with the code in it, for links and QR codes.
    verification_uri_complete: String,
    /// Seconds until both codes end.
    expires_in: u64,
    /// Seconds to wait between two polls.
    interval: u64,
}

/// Begin the sign-in of a device
///
/// As RFC 8628 says, for clients that were registered for the device grant. Show the person `user_code` and
/// `verification_uri`, and poll `/oauth2/token` with `device_code` every `interval` seconds.
#[utoipa::path(post, path = "/oauth2/device_authorization", tag = "oauth", operation_id = "deviceAuthorization", security(("client" = []), ()),
    request_body(content = inline(DeviceAuthorizationRequest), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = DeviceAuthorization), (status = 400, content((OAuthError = "application/json"), (ProblemBody = "application/problem+json"))), (status = 401, body = OAuthError),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(in crate::oauth) async fn device_authorization(
    State(app): State<App>,
    visit: Visit,
    origin: Origin,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Refusal> {
    let client = authenticate(&app, &visit, &origin, &headers, &form).await?;
    if !client.may(Grant::DeviceCode) {
        return Err(OAuthError::new(OAuthCode::UnauthorizedClient, "The client was not registered for the device grant.").into());
    }
    let scopes = granted(&client, form.get("scope"))?;
    if client.method == AuthMethod::None {
        take_address(&app, &visit, Policy::DeviceRequest).await?;
    }
    let answer = begin(&app, &client, scopes, &visit, &origin).await?;
    count("begun");
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    Ok((headers, Json(answer)).into_response())
}

async fn begin(app: &App, client: &Client, scopes: String, visit: &Visit, origin: &Origin) -> Result<DeviceAuthorization, Problem> {
    let (ground, now) = (&app.ground, visit.now());
    let settings = &ground.settings.oauth;
    let (holder, most) = match client.method {
        AuthMethod::None => (visit.client().limit_key().as_ref().to_vec(), OPEN_PER_ADDRESS),
        _ => (client.id.as_bytes().to_vec(), OPEN_PER_CLIENT),
    };
    let id = ground.random.uuid(now);
    let device_code = codes::long(&ground.random);
    let mut new = store::New {
        id,
        device_hash: codes::hash(&ground.roots, Kind::Long, device_code.as_bytes()),
        user_hash: [0; 32],
        client: client.id.clone(),
        holder: codes::hash(&ground.roots, Kind::Holder, &holder),
        scopes,
        origin: ground.roots.seal(Purpose::System, &associated(id), &serde_json::to_vec(origin).map_err(Problem::internal)?),
        interval: settings.device_interval,
        created_at: now,
        expires_at: now.plus(settings.device_code_ttl),
    };
    for _ in 0..TRIES {
        let short = codes::short(&ground.random);
        new.user_hash = codes::hash(&ground.roots, Kind::Short, short.as_bytes());
        match store::insert(&ground.db, &new, most).await {
            Ok(true) => return Ok(answer(app, device_code, &codes::shown(&short))),
            Ok(false) => return Err(crowded(settings.device_code_ttl)),
            Err(DbError::Unique(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::internal("three short codes in a row were taken"))
}

fn answer(app: &App, device_code: String, user_code: &str) -> DeviceAuthorization {
    let settings = &app.ground.settings.oauth;
    let page = app.link("device", None);
    DeviceAuthorization {
        device_code,
        user_code: user_code.to_owned(),
        verification_uri_complete: format!("{page}?user_code={user_code}"),
        verification_uri: page,
        expires_in: settings.device_code_ttl.as_secs(),
        interval: settings.device_interval.as_secs(),
    }
}

fn crowded(wait: std::time::Duration) -> Problem {
    let detail = "Too many devices wait to be signed in from here. Finish one of these sign-ins, or let them expire.";
    Problem::new(Code::RateLimited).detail(detail).retry_after(wait)
}

/// What the sealed origin of a request is bound to.
pub(super) fn associated(id: uuid::Uuid) -> Vec<u8> {
    [b"oauth_device_requests.origin", id.as_bytes().as_slice()].concat()
}
