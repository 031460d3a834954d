//! The operations listener: metrics and health detail, on an address of its own that is not for the public.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};

use super::{fallback, health};
use crate::error::Problem;
use crate::telemetry::{RequestMetrics, render_metrics};

const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// `GET /metrics` in the Prometheus text format, and the health routes with detail. `metrics` are those of the public
/// listener; `gauges` sets those that are worth knowing at the moment of a scrape only.
pub fn router(metrics: Arc<RequestMetrics>, health: health::Health, gauges: impl Fn() + Clone + Send + Sync + 'static) -> Router {
    let exposition = move || {
        gauges();
        exposition(Arc::clone(&metrics))
    };
    Router::new()
        .route("/metrics", get(exposition))
        .merge(health::ops_routes(health))
        .fallback(fallback::not_found)
        .method_not_allowed_fallback(fallback::method_not_allowed)
}

async fn exposition(metrics: Arc<RequestMetrics>) -> Response {
    // It reads /proc and walks every histogram: work for a blocking thread.
    match tokio::task::spawn_blocking(move || render_metrics(&metrics)).await {
        Ok(text) => ([(header::CONTENT_TYPE, EXPOSITION)], text).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}
