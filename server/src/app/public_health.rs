//! Health on the public listener: the status for everybody, the parts for whoever holds `ops:read`.

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use crate::access::scope::OpsRead;
use crate::http::guard::{Scope, presented};
use crate::http::health::{Health, Report, Summary, probes};
use crate::http::visit::Visit;

/// The status, or with the scope every part.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the two answers for the API reference")]
enum HealthAnswer {
    Detail(Box<Report>),
    Status(Summary),
}

/// `GET /health/live`, `GET /health/ready`, `GET /health`.
pub(super) fn routes(app: &App, health: Health) -> Router {
    let own = Router::new().route("/health", get(status)).with_state((app.clone(), health.clone()));
    own.merge(probes().with_state(health))
}

/// How is this instance doing
///
/// With an access token that has the scope `ops:read`, and on the operations listener, each part is listed.
#[utoipa::path(get, path = "/health", tag = "operations", operation_id = "health", security((), ("bearer" = ["ops:read"])),
    responses((status = 200, body = HealthAnswer), (status = 503, body = HealthAnswer)))]
pub(super) async fn status(State((app, health)): State<(App, Health)>, request: Request) -> Response {
    let report = health.report().await;
    let (mut parts, _) = request.into_parts();
    let Ok(visit) = Visit::from_request_parts(&mut parts, &()).await else { return report.summary() };
    let caller = match presented(&parts) {
        Some(token) => app.authenticate(&parts, token, visit.now()).await.ok(),
        None => None,
    };
    let granted = match caller {
        Some(caller) => app.grants(&caller, OpsRead::NAME).await.unwrap_or(false),
        None => false,
    };
    if granted { report.detail() } else { report.summary() }
}
