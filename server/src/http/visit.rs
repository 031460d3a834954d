//! What is known about a request for as long as it is answered.
//!
//! The gate makes one [`Visit`] per request and puts it into the request's extensions. It is the one
//! place where things on the inside (a guard, a limit, a handler) leave word for the gate on the
//! outside: who the caller is, which route answered, which headers to add.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::{FromRequestParts, MatchedPath};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use uuid::Uuid;

use super::client_ip::ClientIp;
use super::limits::LimitHeaders;
use super::request_id::RequestId;
use crate::error::Problem;
use crate::time::Timestamp;

/// Put into the response's extensions by a handler that learned who the caller is only itself, such
/// as sign-in. Guards use [`Visit::set_user`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(pub Uuid);

/// One request on its way through; see the module. Clones are the same visit.
#[derive(Clone, Debug)]
pub struct Visit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: RequestId,
    now: Timestamp,
    client: IpAddr,
    route: OnceLock<MatchedPath>,
    user: OnceLock<Uuid>,
    impersonator: OnceLock<Uuid>,
    headers: Mutex<Vec<(HeaderName, HeaderValue)>>,
    limits: Mutex<Option<LimitHeaders>>,
    body_pending: AtomicBool,
}

impl Visit {
    /// A visit of `client` that arrived at `now`.
    pub fn new(id: RequestId, now: Timestamp, client: IpAddr) -> Self {
        Self(Arc::new(Inner {
            id,
            now,
            client,
            route: OnceLock::new(),
            user: OnceLock::new(),
            impersonator: OnceLock::new(),
            headers: Mutex::new(Vec::new()),
            limits: Mutex::new(None),
            body_pending: AtomicBool::new(false),
        }))
    }

    /// The visit behind these request parts; `None` only where no gate stands before the router.
    pub fn of(parts: &Parts) -> Option<&Self> {
        parts.extensions.get()
    }

    /// The request id.
    pub fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// When the request arrived: the one instant at which all of it happens.
    pub fn now(&self) -> Timestamp {
        self.0.now
    }

    /// The client's address, derived as [`ClientIp`] says.
    pub fn client(&self) -> ClientIp {
        ClientIp(self.0.client)
    }

    /// Notes who the caller is, for the log. The first word counts.
    pub fn set_user(&self, user: Uuid) {
        let _ = self.0.user.set(user);
    }

    /// Who the caller is, once a guard has said so.
    pub fn user(&self) -> Option<Uuid> {
        self.0.user.get().copied()
    }

    /// Notes who acts in the caller's name. The first word counts.
    pub fn set_impersonator(&self, admin: Uuid) {
        let _ = self.0.impersonator.set(admin);
    }

    /// Who acts in the caller's name, once a guard has said so.
    pub fn impersonator(&self) -> Option<Uuid> {
        self.0.impersonator.get().copied()
    }

    /// Notes the template of the route that answers.
    pub fn set_route(&self, route: &MatchedPath) {
        let _ = self.0.route.set(route.clone());
    }

    /// The template of the route that answered, such as `/api/v1/sessions/{id}`.
    pub fn route(&self) -> Option<&str> {
        self.0.route.get().map(MatchedPath::as_str)
    }

    /// Adds a header to the answer, whatever it will be; for extractors, which never see the answer.
    pub fn add_header(&self, name: HeaderName, value: HeaderValue) {
        self.0.headers.lock().unwrap_or_else(PoisonError::into_inner).push((name, value));
    }

    /// Notes what a limiter said; several stand in one pair of headers.
    pub fn note_limit(&self, said: LimitHeaders) {
        let mut noted = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = Some(match noted.take() {
            Some(earlier) => earlier.join(&said),
            None => said,
        });
    }

    /// Takes what limiters said.
    pub fn take_limits(&self) -> Option<LimitHeaders> {
        self.0.limits.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes the headers that were left with [`Visit::add_header`].
    pub fn take_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        std::mem::take(&mut *self.0.headers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_body_pending(&self, pending: bool) {
        self.0.body_pending.store(pending, Ordering::Relaxed);
    }

    pub(super) fn body_pending(&self) -> bool {
        self.0.body_pending.load(Ordering::Relaxed)
    }
}

fn missing() -> Problem {
    Problem::internal("the router was called without a gate before it")
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts).cloned().ok_or_else(missing)
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Visit::of(parts).map(|visit| visit.id().clone()).ok_or_else(missing)
    }
}

impl<S: Sync> FromRequestParts<S> for ClientIp {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Visit::of(parts).map(Visit::client).ok_or_else(missing)
    }
}
