//! Tells the gate which route answered.
//!
//! axum knows the route's template only inside the router, and logs and metrics must never hold a raw
//! path (it may carry ids and tokens). This layer leaves the template in the [`Visit`]; it wraps no
//! future of its own.

use std::task::{Context, Poll};

use axum::extract::{MatchedPath, Request};
use tower::{Layer, Service};

use super::visit::Visit;

/// For `Router::route_layer`, added last so that it stands outermost.
#[derive(Clone, Copy, Debug)]
pub struct RouteTemplate;

impl<S> Layer<S> for RouteTemplate {
    type Service = Noting<S>;

    fn layer(&self, inner: S) -> Noting<S> {
        Noting { inner }
    }
}

/// The service behind [`RouteTemplate`].
#[derive(Clone, Debug)]
pub struct Noting<S> {
    inner: S,
}

impl<S: Service<Request>> Service<Request> for Noting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        if let (Some(visit), Some(path)) = (request.extensions().get::<Visit>(), request.extensions().get::<MatchedPath>()) {
            visit.set_route(path);
        }
        self.inner.call(request)
    }
}
