//! What handlers take from a request: the body as [`Json`], the query as [`Query`], parts of the path as [`Path`], a list's [`Page`].
//! Every refusal is a problem that names what is wrong.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{body, misfit};
use crate::error::{Code, Problem};

/// A JSON object in, a JSON body out. Members that the type does not know are refused by name when it
/// says `#[serde(deny_unknown_fields)]`, which every request type does.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Problem> {
        read_json(request).await.map(|(value, _)| Self(value))
    }
}

/// A JSON body with the bytes it was read from.
pub async fn read_json<T: DeserializeOwned>(request: Request<Body>) -> Result<(T, Bytes), Problem> {
    if !is_json(request.headers()) {
        return Err(Code::UnsupportedMediaType.into());
    }
    let bytes = body::read(request.into_body()).await?;
    Ok((parse(&bytes)?, bytes))
}

/// A JSON body that may be left out; `null` says the same.
#[derive(Clone, Copy, Debug)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Problem> {
        let declared = request.headers().contains_key(header::CONTENT_TYPE);
        let json = is_json(request.headers());
        let bytes = body::read(request.into_body()).await?;
        match (bytes.is_empty(), declared, json) {
            (true, _, _) => Ok(Self(None)),
            (false, true, false) => Err(Code::UnsupportedMediaType.into()),
            (false, _, _) => parse(&bytes).map(Self),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => json_bytes(bytes),
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

/// An answer whose JSON is already written.
pub fn json_bytes(bytes: impl Into<Body>) -> Response {
    let mut response = Response::new(bytes.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Serde would take an array for a struct, member by member.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Problem::new(Code::InvalidRequest).detail("The request body is an array; this needs a JSON object."));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    parsed.map_err(|error| {
        let problem = Problem::new(Code::InvalidRequest);
        if bytes.is_empty() {
            return problem.detail("The request body is empty; this needs a JSON object.");
        }
        if error.is_data() {
            return misfit::body::<T>(bytes, &error);
        }
        problem.detail("The request body is not valid JSON.").cause(error)
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// What stands in the path in place of `{id}` and the like. What cannot be one names nothing that exists: 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(Code::NotFound.into()),
        }
    }
}

/// The query string; unknown names are refused.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(error) => {
                let text = error.body_text();
                Err(misfit::query(&text).cause(text))
            }
        }
    }
}
