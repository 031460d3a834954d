//! `/api/v1/admin/clients`: the clients of the installation, for whoever holds `clients:write`.
//!
//! That scope alone must not lead to others: whoever registers a client, changes it or gives it a new secret could then
//! act as it, so they must hold each of the house's own scopes that the client has.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::client::{AuthMethod, Client, Grant, registered_id};
use super::registration::Wanted;
use super::registry::{By, Registered};
use super::store;
use crate::access::SCOPES;
use crate::access::scope::ClientsWrite;
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Query};
use crate::http::guard::{Scoped, Subject};
use crate::http::page::{List, PageQuery};
use crate::idempotency::{self, Idempotent};
use crate::time::Timestamp;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, delete)).routes(routes!(rotate_secret))
}

/// A client as operators see it. Its secret cannot be shown: nobody has it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientBody {
    /// The `client_id`.
    pub client_id: String,
    /// What people are shown.
    pub name: String,
    /// How it gets tokens.
    pub grant_types: Vec<Grant>,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// What its tokens may carry at most.
    pub scopes: Vec<String>,
    /// How it proves who it is.
    pub token_endpoint_auth_method: AuthMethod,
    /// Its public keys, for `private_key_jwt`.
    #[schema(required = true, value_type = Option<Object>)]
    pub jwks: Option<Value>,
    /// Ours: people are not asked whether they agree.
    pub first_party: bool,
    /// Refused until it is enabled again.
    pub disabled: bool,
    /// For `If-Match`.
    pub version: i64,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<&Client> for ClientBody {
    fn from(client: &Client) -> Self {
        Self {
            client_id: client.id.clone(),
            name: client.name.clone(),
            grant_types: client.grants.clone(),
            redirect_uris: client.redirect_uris.clone(),
            scopes: client.scopes.clone(),
            token_endpoint_auth_method: client.method,
            jwks: client.jwks.as_deref().and_then(|set| serde_json::from_str(set).ok()),
            first_party: client.first_party,
            disabled: client.disabled_at.is_some(),
            version: client.version,
            created_at: client.created_at,
            updated_at: client.updated_at,
        }
    }
}

/// `{client}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ClientAnswer {
    client: ClientBody,
}

/// A client with its new secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientWithSecret {
    /// The client.
    pub client: ClientBody,
    /// Shown this once; left out for a client that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

impl From<&Registered> for ClientWithSecret {
    fn from(registered: &Registered) -> Self {
        let client_secret = registered.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        Self { client: registered.client.as_ref().into(), client_secret }
    }
}

/// What to register.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewClient {
    /// What people are shown.
    #[schema(max_length = 200, min_length = 1)]
    name: String,
    /// How it gets tokens.
    #[schema(min_items = 1)]
    grant_types: Vec<Grant>,
    /// Where people may be sent back to: compared as they are, without a fragment; https, http on loopback, or a
    /// private-use scheme (RFC 8252).
    #[serde(default)]
    #[schema(max_items = 20)]
    redirect_uris: Vec<String>,
    /// What its tokens may carry at most: scopes of Keystead, and of the application's own services.
    #[serde(default)]
    #[schema(max_items = 100)]
    scopes: Vec<String>,
    /// `client_secret_basic` when left out.
    #[serde(default)]
    token_endpoint_auth_method: Option<AuthMethod>,
    /// A JSON Web Key Set with public keys; with `private_key_jwt` only.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// Ours: people are not asked whether they agree.
    #[serde(default)]
    first_party: bool,
}

impl From<NewClient> for Wanted {
    fn from(new: NewClient) -> Self {
        Self {
            name: new.name,
            grants: new.grant_types,
            redirect_uris: new.redirect_uris,
            scopes: new.scopes,
            method: new.token_endpoint_auth_method.unwrap_or(AuthMethod::SecretBasic),
            jwks: new.jwks,
            first_party: new.first_party,
        }
    }
}

/// What to change; members left out, or null, stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClientChange {
    #[schema(max_length = 200, min_length = 1)]
    name: Option<String>,
    #[schema(min_items = 1)]
    grant_types: Option<Vec<Grant>>,
    #[schema(max_items = 20)]
    redirect_uris: Option<Vec<String>>,
    #[schema(max_items = 100)]
    scopes: Option<Vec<String>>,
    /// Only from one way of sending the secret to the other.
    token_endpoint_auth_method: Option<AuthMethod>,
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    first_party: Option<bool>,
    /// Refuses the client and all its tokens, until it is false again.
    disabled: Option<bool>,
}

impl ClientChange {
    fn over(self, before: &Client) -> (Wanted, bool) {
        let wanted = Wanted {
            name: self.name.unwrap_or_else(|| before.name.clone()),
            grants: self.grant_types.unwrap_or_else(|| before.grants.clone()),
            redirect_uris: self.redirect_uris.unwrap_or_else(|| before.redirect_uris.clone()),
            scopes: self.scopes.unwrap_or_else(|| before.scopes.clone()),
            method: self.token_endpoint_auth_method.unwrap_or(before.method),
            jwks: self.jwks.or_else(|| before.jwks.as_deref().and_then(|set| serde_json::from_str(set).ok())),
            first_party: self.first_party.unwrap_or(before.first_party),
        };
        (wanted, self.disabled.unwrap_or(before.disabled_at.is_some()))
    }
}

const LIST: &str = "clients";

/// The registered clients, newest first
///
/// The two that every installation has, `keystead` and `keystead-cli`, are part of the program and not listed.
#[utoipa::path(get, path = "/api/v1/admin/clients", tag = "clients", operation_id = "listClients", security(("bearer" = ["clients:write"])), params(PageQuery),
    responses((status = 200, body = List<ClientBody>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    _caller: Scoped<ClientsWrite>,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<ClientBody>>, Problem> {
    let page = query.check(&app.ground.roots, LIST)?;
    let clients = store::list(&app.ground.db, page.after, page.rows()).await?;
    let items = clients.iter().map(ClientBody::from).collect();
    Ok(Json(page.answer(&app.ground.roots, LIST, items, |item| registered_id(&item.client_id).unwrap_or_default())))
}

/// Register a client
///
/// The secret is shown this once. You must hold each of Keystead's own scopes that you give the client.
#[utoipa::path(post, path = "/api/v1/admin/clients", tag = "clients", operation_id = "createClient", params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), security(("bearer" = ["clients:write"])), request_body = NewClient,
    responses((status = 201, body = ClientWithSecret), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn create(
    State(app): State<App>,
    caller: Scoped<ClientsWrite>,
    Now(now): Now,
    origin: Origin,
    Idempotent(request, key): Idempotent<NewClient>,
) -> Result<Response, Problem> {
    let wanted = Wanted::from(request);
    check_holds(&app, &caller, &wanted.scopes).await?;
    let by = by(&app, &caller, origin).await?;
    let (this, subject) = (app.clone(), caller.subject.id());
    let work = Box::pin(async move {
        let registered = this.oauth.create(wanted, by, now).await?;
        Ok((StatusCode::CREATED, Json(ClientWithSecret::from(&registered))).into_response())
    });
    idempotency::once(&app, key, "clients", Some(subject), now, work).await
}

/// One client
#[utoipa::path(get, path = "/api/v1/admin/clients/{id}", tag = "clients", operation_id = "getClient", security(("bearer" = ["clients:write"])),
    params(("id" = Uuid, Path, description = "The `clientId`")),
    responses((status = 200, body = ClientAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn show(State(app): State<App>, _caller: Scoped<ClientsWrite>, Path(id): Path<Uuid>) -> Result<Response, Problem> {
    let client = app.oauth.find(id).await?;
    Ok(tagged(&client))
}

/// Change a client
///
/// A disabled client and its tokens are refused on every instance within a second. With `If-Match` only the version that
/// you have seen is changed.
#[utoipa::path(patch, path = "/api/v1/admin/clients/{id}", tag = "clients", operation_id = "updateClient", security(("bearer" = ["clients:write"])), request_body = ClientChange,
    params(("id" = Uuid, Path, description = "The `clientId`"), ("If-Match" = Option<String>, Header, description = "The `version` you have seen, as in `ETag`", pattern = "^(\\*|\"?[0-9]{1,18}\"?)$")),
    responses((status = 200, body = ClientAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn update(
    State(app): State<App>,
    caller: Scoped<ClientsWrite>,
    Now(now): Now,
    origin: Origin,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Json(request): Json<ClientChange>,
) -> Result<Response, Problem> {
    let before = app.oauth.find(id).await?;
    if wanted_version(&headers)?.is_some_and(|version| version != before.version) {
        return Err(Code::VersionConflict.into());
    }
    let (wanted, disabled) = request.over(&before);
    check_holds(&app, &caller, &before.scopes).await?;
    check_holds(&app, &caller, &wanted.scopes).await?;
    let client = app.oauth.update(&before, wanted, disabled, by(&app, &caller, origin).await?, now).await?;
    Ok(tagged(&client))
}

/// Delete a client
///
/// For good: its tokens are refused on every instance within a second, and its id is never given to another client.
#[utoipa::path(delete, path = "/api/v1/admin/clients/{id}", tag = "clients", operation_id = "deleteClient", security(("bearer" = ["clients:write"])),
    params(("id" = Uuid, Path, description = "The `clientId`")),
    responses((status = 204, description = "Deleted"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    caller: Scoped<ClientsWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let by = by(&app, &caller, origin).await?;
    app.oauth.delete(id, by, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a client a new secret
///
/// The old one is void at once. The new one is shown this once.
#[utoipa::path(post, path = "/api/v1/admin/clients/{id}/rotate-secret", tag = "clients", operation_id = "rotateClientSecret", security(("bearer" = ["clients:write"])),
    params(("id" = Uuid, Path, description = "The `clientId`")),
    responses((status = 200, body = ClientWithSecret), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn rotate_secret(
    State(app): State<App>,
    caller: Scoped<ClientsWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
) -> Result<Json<ClientWithSecret>, Problem> {
    let before = app.oauth.find(id).await?;
    check_holds(&app, &caller, &before.scopes).await?;
    let registered = app.oauth.rotate_secret(&before, by(&app, &caller, origin).await?, now).await?;
    Ok(Json(ClientWithSecret::from(&registered)))
}

/// Whether `caller` holds each of our own scopes among `scopes`.
async fn check_holds(app: &App, caller: &Scoped<ClientsWrite>, scopes: &[String]) -> Result<(), Problem> {
    for scope in scopes.iter().filter(|scope| SCOPES.contains(&scope.as_str())) {
        if !app.grants(caller, scope).await? {
            let detail = format!("The client has the scope `{scope}`, which you do not have; with the client you would have it, too.");
            return Err(Problem::new(Code::InsufficientScope).detail(detail));
        }
    }
    Ok(())
}

async fn by(app: &App, caller: &Scoped<ClientsWrite>, origin: Origin) -> Result<By, Problem> {
    let key = match caller.subject {
        Subject::Person { user, .. } => Some(app.ground.keyring.get(user).await?),
        Subject::Service(_) => None,
    };
    Ok(By { actor: caller.subject.into(), origin: Some(origin), key })
}

/// The version of `If-Match` (RFC 9110 section 13.1.1); `None` where any will do.
fn wanted_version(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let mut given = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    match bare.parse() {
        _ if given.next().is_some() => {}
        Ok(version) if bare.bytes().all(|byte| byte.is_ascii_digit()) => return Ok(Some(version)),
        _ if text == "*" => return Ok(None),
        _ => {}
    }
    Err(Problem::new(Code::InvalidRequest).detail("Send one If-Match with the version you have seen, such as \"3\"."))
}

fn tagged(client: &Client) -> Response {
    let mut response = Json(ClientAnswer { client: client.into() }).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", client.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
