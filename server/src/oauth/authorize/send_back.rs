//! The answer to an authorization request: the browser goes back to the client.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use url::Url;

use super::request::Addressed;
use crate::error::Problem;
use crate::oauth::error::OAuthError;

/// The client's address with an answer in its query: with `state` as it was sent, and with who answers (RFC 9207).
///
/// # Errors
/// None that can happen: the address was checked when it was registered.
pub(super) fn address(to: &Addressed, issuer: &str, answer: &[(&str, &str)]) -> Result<String, Problem> {
    let mut url = Url::parse(&to.redirect_uri).map_err(Problem::internal)?;
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(answer);
        if let Some(state) = &to.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", issuer);
    }
    Ok(url.into())
}

/// The address that tells the client why there is no code.
pub(super) fn refusal(to: &Addressed, issuer: &str, error: OAuthError) -> Result<String, Problem> {
    address(to, issuer, &[("error", error.error.as_str()), ("error_description", error.error_description)])
}

/// Sends the browser there, as a GET whatever it came with (RFC 9700 section 4.12).
pub(super) fn see_other(address: &str) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(address).map_err(Problem::internal)?;
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // The next page must not learn the code from `Referer`.
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}
