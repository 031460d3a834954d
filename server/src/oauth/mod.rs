//! What other programs need to trust Keystead's tokens: the published keys, and their rotation.

mod keys;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::ProblemBody;

pub use keys::rotate;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(jwks))
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
