//! The floor of HTTP, from single decisions to real sockets.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt;
use keystead::config::{LogFormat, TrustedProxies};
use keystead::http::cors::Cors;
use keystead::http::{Gate, GateSettings, GateTools};
use keystead::secret::Random;
use keystead::telemetry::{Captured, LogBuffer, RequestMetrics};
use keystead::time::{Clock, Timestamp};

#[path = "tests/client_ip.rs"]
mod client_ip;
#[path = "tests/csrf.rs"]
mod csrf;
#[path = "tests/gate.rs"]
mod gate;
#[path = "tests/health.rs"]
mod health;
#[path = "tests/limits.rs"]
mod limits;
#[path = "tests/lists.rs"]
mod lists;
#[path = "tests/pages.rs"]
mod pages;
#[path = "tests/server.rs"]
mod server;

/// 2026-11-21T10:00:00Z.
const NOW: Timestamp = Timestamp::from_secs(1_795_255_200);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn settings() -> GateSettings {
    GateSettings {
        request_timeout: Duration::from_secs(5),
        body_limit: 1000,
        max_in_flight: 1000,
        cors: Cors::new(&["https://app.example.com".to_owned()]),
        trusted_proxies: TrustedProxies::None,
        https: true,
        allowances: Vec::new(),
        access_log: true,
    }
}

/// A gate before `router` together with everything it says.
struct Bench {
    gate: Gate,
    log: LogBuffer,
    captured: Captured,
    metrics: Arc<RequestMetrics>,
}

impl Bench {
    fn new(router: Router) -> Self {
        Self::with(router, settings())
    }

    fn with(router: Router, settings: GateSettings) -> Self {
        let (log, captured) = LogBuffer::capture(LogFormat::Json);
        let metrics = Arc::new(RequestMetrics::new());
        let tools = GateTools { clock: Clock::frozen(NOW), random: Random::seeded(7), metrics: Arc::clone(&metrics), log: log.clone() };
        Self { gate: Gate::new(router, settings, tools), log, captured, metrics }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.gate.handle(request, PEER).await
    }

    async fn get(&self, path: &str) -> Response {
        self.send(get(path)).await
    }

    /// All log lines so far.
    fn lines(&self) -> Vec<serde_json::Value> {
        self.log.flush();
        self.captured.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn json(response: Response) -> serde_json::Value {
    serde_json::from_str(&text(response).await).unwrap()
}
