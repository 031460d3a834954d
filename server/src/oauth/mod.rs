//! The OAuth provider: clients, the tokens they get, and what other programs need to trust Keystead's tokens.
//!
//! A client is registered ([`registry`]) under a strict rule ([`registration`]) and read from memory ([`clients`]). Its
//! secret is kept as a keyed hash ([`client_secret`]). Each endpoint first learns which client calls ([`client_auth`]); then
//! it issues ([`token`]), perhaps bound to a key ([`dpop`]), explains ([`introspect`]) or takes back ([`revoke`]) a token. Members and refusals there have the
//! names of the RFCs. The published keys and their rotation are here, too.
//!
//! Owns the tables `oauth_clients` and `oauth_revoked_tokens`.

mod admin;
mod assertion;
pub mod authorize;
mod backchannel;
mod client;
mod client_auth;
mod client_body;
pub mod client_keys;
mod client_secret;
mod clients;
pub mod device;
mod discovery;
pub mod dpop;
mod error;
mod form;
mod grantor;
pub mod id_token;
mod introspect;
mod keys;
mod logout;
mod lookup;
pub mod redirect;
mod refresh;
pub mod registration;
mod registry;
mod resource;
mod revoke;
pub mod scopes;
mod store;
mod token;
mod userinfo;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::{Db, DbError};
use crate::error::ProblemBody;
use crate::ground::Ground;
use crate::sessions::Revocations;
use crate::time::Timestamp;
use tokio_util::sync::CancellationToken;

pub use backchannel::{BACKCHANNEL_LOGOUT, Cost, STATEMENTS as BACKCHANNEL_STATEMENTS, handlers, is_public, pause};
pub use client::{AuthMethod, Client, Grant, RelyingParty};
pub use client_body::{ClientBody, ClientChange, ClientWithSecret};
pub use clients::{CLIENT_CHANGED, Clients};
pub use keys::{rotate, rotate_when_due};
pub use logout::files as logout_files;
pub use registry::{By, Registered};
pub use store::{STATEMENTS, list};

/// Fan-out topic: a revoked token's id and when it was revoked.
pub const TOKEN_REVOKED: &str = "oauth.token_revoked";

/// The state of this slice in one instance; clones share it.
#[derive(Clone)]
pub struct OAuth {
    ground: Ground,
    /// Clients in memory.
    pub clients: Clients,
    /// Tokens of clients that were revoked before their time.
    pub revoked: Revocations,
    messenger: backchannel::Messenger,
}

impl OAuth {
    /// Nothing in memory yet.
    pub fn new(ground: Ground) -> Self {
        let clients = Clients::new(ground.clone());
        let revoked =
            Revocations::new(ground.clone(), TOKEN_REVOKED, |db, since| Box::pin(async move { store::revoked_since(&db, since).await }));
        let messenger = backchannel::Messenger::new(&ground);
        Self { ground, clients, revoked, messenger }
    }

    /// Polls for what was changed and revoked until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::join!(self.clients.run(stop.clone()), self.revoked.run(stop));
    }
}

/// Forgets up to `rows` things that nobody needs to know any more; how many.
pub async fn purge(db: &Db, before: Timestamp, rows: i64) -> Result<u64, DbError> {
    store::purge_revoked(db, before, rows).await
}

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(jwks))
        .routes(routes!(discovery::openid_configuration))
        .routes(routes!(discovery::authorization_server))
        .routes(routes!(token::token))
        .routes(routes!(introspect::introspect))
        .routes(routes!(revoke::revoke))
        .merge(authorize::routes())
        .routes(routes!(userinfo::userinfo, userinfo::userinfo_by_form))
        .routes(routes!(logout::logout, logout::logout_by_form))
        .merge(device::routes())
        .merge(admin::routes())
}

/// A key set (RFC 7517 section 5).
#[derive(Serialize, ToSchema)]
struct KeySet {
    keys: Vec<PublicKey>,
}

/// A public key (RFC 8037 section 2).
#[derive(Serialize, ToSchema)]
struct PublicKey {
    kty: String,
    crv: String,
    x: String,
    kid: String,
    alg: String,
    r#use: String,
}

/// The public keys that verify access tokens
///
/// New keys stand here before they sign, and stay until their last token has expired.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys", operation_id = "jwks",
    responses((status = 200, body = KeySet, content_type = "application/jwk-set+json"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn jwks(State(app): State<App>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=60")];
    (headers, app.ground.signer.jwks()).into_response()
}
