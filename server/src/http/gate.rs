//! The gates every request passes, in one pass and in this order: request id → client address → load
//! shed → head limits → CORS → body limit → panic to 500 → time-out → router; and on the way back:
//! problem bodies → compression → security headers → CORS → metrics → access log.
//!
//! One hand-written pass instead of a tower of layers, because each boxed layer costs as much as the
//! whole of this: an answer from memory spends about as long here as on parsing its own head.

use std::any::Any;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use http::header::{ACCEPT_ENCODING, CONNECTION};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Version};
use http_body::Body as HttpBody;
use tower::Service;

use super::client_ip::ClientIp;
use super::cors::Cors;
use super::limits::RATELIMIT;
use super::request_id::{IdPool, RequestId, X_REQUEST_ID};
use super::security_headers::SecurityHeaders;
use super::template::RouteTemplate;
use super::visit::{UserId, Visit};
use super::{admission, answer, body, compress};
use crate::config::{Settings, TrustedProxies};
use crate::error::{Code, Problem};
use crate::secret::Random;
use crate::telemetry::{AccessLine, LogBuffer, RequestMetrics, trace_id};
use crate::time::Clock;

/// What the gate enforces.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// From the request's head to the answer's head; the body's arrival counts, its departure does not.
    pub request_timeout: Duration,
    /// Longest request body in bytes.
    pub body_limit: usize,
    /// Requests answered at the same time; more are shed with 503. Health is exempt.
    pub max_in_flight: usize,
    /// Which origins may read answers.
    pub cors: Cors,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// Whether the public address is https.
    pub https: bool,
    /// Exact paths with limits of their own.
    pub allowances: Vec<Allowance>,
    /// Whether to log each request.
    pub access_log: bool,
}

/// A path that may take more than the others, such as an import.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// The exact path.
    pub path: &'static str,
    /// Longest request body in bytes.
    pub body_limit: usize,
    /// Time from the request's head to the answer's head.
    pub request_timeout: Duration,
}

impl GateSettings {
    /// What the configuration says.
    pub fn new(settings: &Settings) -> Self {
        Self {
            request_timeout: settings.server.request_timeout,
            body_limit: settings.server.body_limit,
            max_in_flight: settings.server.max_in_flight,
            cors: Cors::new(&settings.cors_origins),
            trusted_proxies: settings.trusted_proxies.clone(),
            https: settings.is_https(),
            allowances: Vec::new(),
            access_log: true,
        }
    }
}

/// What the gate is given to work with.
#[derive(Clone)]
pub struct GateTools {
    /// For request ids and log lines.
    pub clock: Clock,
    /// For request ids.
    pub random: Random,
    /// Where requests are counted.
    pub metrics: Arc<RequestMetrics>,
    /// Where requests are logged.
    pub log: LogBuffer,
}

/// The gates with the router behind them. Clones share everything.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    router: Router,
    settings: GateSettings,
    tools: GateTools,
    security: SecurityHeaders,
    in_flight: AtomicUsize,
    draining: AtomicBool,
    ids: IdPool,
}

impl Gate {
    /// Stands before `router`.
    pub fn new(router: Router, settings: GateSettings, tools: GateTools) -> Self {
        let router = if router.has_routes() { router.route_layer(RouteTemplate) } else { router };
        let security = SecurityHeaders::new(settings.https);
        let ids = IdPool::new(tools.random.clone());
        let (in_flight, draining) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self(Arc::new(Inner { router, settings, tools, security, in_flight, draining, ids }))
    }

    /// Requests that are being answered now.
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    /// From now on HTTP/1 answers ask the client to close its connection.
    pub fn start_draining(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Answers one request that came over a connection from `peer`.
    pub async fn handle<B>(&self, request: Request<B>, peer: IpAddr) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let inner = &*self.0;
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let now = inner.tools.clock.now();
        let id = RequestId::of(&parts.headers, || inner.ids.next(now));
        let visit = Visit::new(id, now, ClientIp::derive(peer, &parts.headers, &inner.settings.trusted_proxies).0);
        let asked = Asked::of(&parts, &inner.settings.cors);

        let slot = inner.enter();
        let mut response = inner.answer(parts, body, &visit, slot.position).await;

        let problem = answer::render(&mut response, visit.id());
        if let Some(accepted) = asked.accept_encoding.filter(|_| compress::pays(&response)) {
            // Boxed, because few answers need it and all would carry it.
            response = Box::pin(compress::compress(response, accepted)).await;
        }
        let headers = response.headers_mut();
        inner.security.apply(headers, asked.private);
        inner.settings.cors.permit(asked.origin, headers);
        // A refusal carries its own limit headers.
        if let Some(limits) = visit.take_limits().filter(|_| !headers.contains_key(&RATELIMIT)) {
            headers.extend(limits);
        }
        for (name, value) in visit.take_headers() {
            headers.insert(name, value);
        }
        headers.insert(X_REQUEST_ID, visit.id().to_header());
        if inner.draining.load(Ordering::Relaxed) && asked.version < Version::HTTP_2 && response.status() != 101 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }

        let took = started.elapsed();
        let status = response.status().as_u16();
        inner.tools.metrics.record(&asked.method, visit.route(), status, took);
        let user = visit.user().or_else(|| response.extensions().get::<UserId>().map(|user| user.0));
        let line = AccessLine {
            at: now,
            method: &asked.method,
            route: visit.route(),
            status,
            took,
            request_id: visit.id().as_str(),
            user,
            trace_id: asked.trace.as_ref().and_then(trace_id),
        };
        if inner.settings.access_log {
            inner.tools.log.access(&line);
        }
        if let Some(problem) = problem.filter(|problem| problem.code.status() >= 500 && problem.cause.is_some()) {
            inner.tools.log.failure(&line, &problem);
        }
        response
    }
}

/// What the way back needs to know of a request that is gone by then.
struct Asked {
    method: Method,
    version: Version,
    private: bool,
    origin: Option<HeaderValue>,
    accept_encoding: Option<HeaderValue>,
    trace: Option<HeaderValue>,
}

impl Asked {
    fn of(parts: &Parts, cors: &Cors) -> Self {
        Self {
            method: parts.method.clone(),
            version: parts.version,
            private: parts.uri.path().starts_with("/api/") || parts.uri.path().starts_with("/oauth2/"),
            origin: cors.allowed(&parts.headers),
            accept_encoding: parts.headers.get(ACCEPT_ENCODING).cloned(),
            trace: parts.headers.get("traceparent").cloned(),
        }
    }
}

/// A place among the requests in flight; given back when dropped, also when the client goes away.
struct Slot<'a> {
    in_flight: &'a AtomicUsize,
    position: usize,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inner {
    fn enter(&self) -> Slot<'_> {
        Slot { in_flight: &self.in_flight, position: self.in_flight.fetch_add(1, Ordering::Relaxed) }
    }

    fn admit(&self, parts: &Parts, position: usize) -> Result<(), Problem> {
        if position >= self.settings.max_in_flight && !parts.uri.path().starts_with("/health") {
            self.tools.metrics.shed();
            return Err(Problem::new(Code::Overloaded).retry_after(Duration::from_secs(1)));
        }
        admission::check_head(parts)
    }

    /// The body limit and the time-out on `path`.
    fn bounds(&self, path: &str) -> (usize, Duration) {
        match self.settings.allowances.iter().find(|allowance| allowance.path == path) {
            Some(own) => (own.body_limit, own.request_timeout),
            None => (self.settings.body_limit, self.settings.request_timeout),
        }
    }

    /// The answer of the gate itself, or of the router.
    ///
    /// Not async, so that the request's own parts are gone before anything waits: the future of every request is
    /// moved about as a whole, and this keeps it small.
    fn answer<'a, B>(&self, parts: Parts, body: B, visit: &'a Visit, position: usize) -> impl Future<Output = Response> + use<'a, B>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let (body_limit, request_timeout) = self.bounds(parts.uri.path());
        if let Some(response) = self.own_answer(&parts, body_limit, position) {
            return Either::Left(ready(response));
        }
        match self.route(parts, body::admit(body, body_limit, visit), visit) {
            Ok(answer) => {
                let answer = tokio::time::timeout(request_timeout, AssertUnwindSafe(answer).catch_unwind());
                Either::Right(answer.map(|answer| match answer {
                    Ok(Ok(response)) => response,
                    Ok(Err(panic)) => panicked(&*panic).into_response(),
                    Err(_) => too_slow(visit).into_response(),
                }))
            }
            Err(panic) => Either::Left(ready(panicked(&*panic).into_response())),
        }
    }

    /// What the gate answers without the router: a refusal or a preflight.
    fn own_answer(&self, parts: &Parts, body_limit: usize, position: usize) -> Option<Response> {
        if let Err(problem) = self.admit(parts, position) {
            return Some(problem.into_response());
        }
        let preflight = self.settings.cors.preflight(parts);
        preflight.or_else(|| admission::check_length(&parts.headers, body_limit).err().map(IntoResponse::into_response))
    }

    /// Calls the router, which may panic at once or later in the future.
    fn route(&self, mut parts: Parts, body: Body, visit: &Visit) -> std::thread::Result<impl Future<Output = Response> + use<>> {
        parts.extensions.insert(visit.clone());
        let request = Request::from_parts(parts, body);
        let mut router = self.router.clone();
        // The router owns no state that a panic could leave half changed: what handlers share, they guard.
        let called = std::panic::catch_unwind(AssertUnwindSafe(move || router.call(request)));
        called.map(|answer| answer.map(|Ok(response): Result<Response, Infallible>| response))
    }
}

/// Whose fault it was decides the status: 408 tells the client to hurry, 503 that we did not manage.
fn too_slow(visit: &Visit) -> Problem {
    if visit.body_pending() {
        return Problem::new(Code::RequestTimeout);
    }
    Problem::new(Code::Unavailable)
        .detail("The server could not answer in time. Try again shortly.")
        .retry_after(Duration::from_secs(1))
        .cause("the whole-request time-out passed")
}

fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::internal(format_args!("panicked: {}", text.unwrap_or("without a message")))
}
