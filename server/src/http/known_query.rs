//! Unknown query parameters are refused, as unknown body members are: a misspelt filter that is silently
//! ignored shows the wrong list. What a route knows stands in the OpenAPI document; nothing is listed twice.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, Ready, ready};
use tower::{Layer, Service};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use crate::error::{Code, Problem};

/// Where browsers bring what applications ask: what is not known there is passed over (RFC 6749 section 3.1), so that an
/// application can ask for more than this version knows.
const PASSED_OVER: &[&str] = &["/oauth2/authorize"];

/// For `Router::route_layer` over the documented routes.
#[derive(Clone)]
pub struct KnownQuery(Arc<HashMap<(&'static str, String), HashSet<String>>>);

impl KnownQuery {
    /// The query parameters that `document` declares, by method and path.
    pub fn of(document: &OpenApi) -> Self {
        let mut known = HashMap::new();
        for (path, item) in &document.paths.paths {
            let methods = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("PATCH", &item.patch), ("DELETE", &item.delete)];
            for (method, operation) in methods {
                if let Some(operation) = operation {
                    known.insert((method, path.clone()), names(operation));
                }
            }
        }
        Self(Arc::new(known))
    }

    fn refuse(&self, request: &Request) -> Option<Problem> {
        let query = request.uri().query().filter(|query| !query.is_empty())?;
        let path = request.extensions().get::<MatchedPath>()?;
        if PASSED_OVER.contains(&path.as_str()) {
            return None;
        }
        let method = match request.method().as_str() {
            "GET" | "HEAD" => "GET",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            _ => return None,
        };
        let known = self.0.get(&(method, path.as_str().to_owned()))?;
        let unknown = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| !known.contains(name.as_ref()))?;
        let name: String = unknown.0.chars().take(64).collect();
        let detail = format!("There is no query parameter `{name}` here. Compare the request with the API reference.");
        Some(Problem::new(Code::InvalidRequest).detail(detail).field(name, "unknown", "This route does not know this parameter."))
    }
}

fn names(operation: &Operation) -> HashSet<String> {
    let inline = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    inline.filter(|parameter| matches!(parameter.parameter_in, ParameterIn::Query)).map(|parameter| parameter.name.clone()).collect()
}

impl<S> Layer<S> for KnownQuery {
    type Service = Refusing<S>;

    fn layer(&self, inner: S) -> Refusing<S> {
        Refusing { inner, known: self.clone() }
    }
}

/// The service behind [`KnownQuery`].
#[derive(Clone)]
pub struct Refusing<S> {
    inner: S,
    known: KnownQuery,
}

impl<S: Service<Request, Response = Response>> Service<Request> for Refusing<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.known.refuse(&request) {
            Some(problem) => Either::Right(ready(Ok(problem.into_response()))),
            None => Either::Left(self.inner.call(request)),
        }
    }
}
