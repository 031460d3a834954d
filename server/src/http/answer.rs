//! The last word on an answer: every failure leaves as `application/problem+json` (RFC 9457).

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::request_id::RequestId;
use crate::error::{Code, Problem};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Writes the body of a problem answer and returns the problem for the log. Bare errors of the framework
/// (plain text or nothing) become problems first; errors with a body of their own (OAuth) pass.
pub fn render(response: &mut Response, id: &RequestId) -> Option<Arc<Problem>> {
    let problem = match response.extensions_mut().remove::<Arc<Problem>>() {
        Some(problem) => problem,
        None => adopt(response)?,
    };
    let body = problem.to_json(id.as_str());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
    Some(problem)
}

/// Replaces an error that the framework answered itself, keeping what it said in `Allow`.
fn adopt(response: &mut Response) -> Option<Arc<Problem>> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || !is_bare(response) {
        return None;
    }
    let problem = Problem::new(code_of(status)).cause(format_args!("answered by the framework with {status}"));
    let allow = response.headers_mut().remove(ALLOW);
    *response = problem.clone().into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, allow);
    }
    response.extensions_mut().remove::<Arc<Problem>>()
}

fn is_bare(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::Forbidden,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        StatusCode::UNPROCESSABLE_ENTITY => Code::ValidationFailed,
        StatusCode::TOO_MANY_REQUESTS => Code::RateLimited,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Code::HeadersTooLarge,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        other if other.is_server_error() => Code::Internal,
        _ => Code::InvalidRequest,
    }
}
