//! What other programs need to trust Keystead's tokens: the published keys, and their rotation.

mod keys;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;

use crate::app::App;

pub use keys::rotate;

/// The routes of this slice.
pub fn routes() -> Router<App> {
    Router::new().route("/.well-known/jwks.json", get(jwks))
}

/// `GET /.well-known/jwks.json`: the public keys that verify access tokens (RFC 7517). New keys stand here
/// before they sign, and stay until their last token has expired.
async fn jwks(State(app): State<App>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=60")];
    (headers, app.ground.signer.jwks()).into_response()
}
