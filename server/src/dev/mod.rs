//! What exists only in development: the movable clock.
//!
//! `POST /dev/clock {"advance": seconds}` moves the whole instance forward, so that integrators test expiry,
//! lockout and retention without waiting. Mounted only with `KEYSTEAD_DEV__CLOCK=true`, which production refuses.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::{Code, Problem};
use crate::http::extract::Json;
use crate::time::Timestamp;

/// The furthest one call moves the clock: ten years.
const MAX_ADVANCE: u64 = 10 * 366 * 24 * 60 * 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// Seconds.
    advance: u64,
}

#[derive(Serialize)]
struct Moved {
    now: Timestamp,
}

/// The route of the movable clock.
pub fn clock_routes(app: &App) -> Router {
    Router::new().route("/dev/clock", post(advance)).with_state(app.clone())
}

async fn advance(State(app): State<App>, Json(request): Json<Advance>) -> Result<Json<Moved>, Problem> {
    if request.advance > MAX_ADVANCE {
        return Err(Problem::new(Code::ValidationFailed).field("advance", "too_large", "Move at most ten years at once."));
    }
    let now = app.ground.clock.advance(Duration::from_secs(request.advance));
    app.housekeep(now).await;
    app.ground.jobs.wake();
    Ok(Json(Moved { now }))
}
