//! `POST /api/v1/exports/stream`: a small export at once, without an order.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::download::disposition;
use super::order::{self, Order, commission};
use super::rendering::{Manner, Rendering};
use super::right::Right;
use super::sending::{Sending, Whole};
use super::source::Format;
use crate::access::scope::ExportsWrite;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Problem, ProblemBody};
use crate::http::context::Origin;
use crate::http::extract::Json;
use crate::http::guard::{Personal, take};
use crate::http::limits::Policy;
use crate::http::visit::Visit;

/// Rows that are streamed at most; more of them are ordered, so that a download which breaks off can go on.
pub const STREAMED_ROWS_MAX: u64 = 50_000;
/// One is sent for so long at most.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The route of small exports.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Export a little at once
///
/// The same order, answered with the file itself. Refused (422) when there is more of it than fits: then order it. A PDF is made before the
/// answer begins, one at a time for each person (409), and when there is a desk for it (503).
#[utoipa::path(post, path = "/api/v1/exports/stream", tag = "exports", operation_id = "streamExport", security(("bearer" = []), ("delegated" = ["exports:write"])), request_body = Order,
    responses(
        (status = 200, description = "The file", content((String = "text/csv"), (Object = "application/json"), (String = "application/pdf"))),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn stream(
    State(app): State<App>,
    caller: Personal<ExportsWrite>,
    visit: Visit,
    origin: Origin,
    Json(request): Json<Order>,
) -> Result<Response, Problem> {
    take(&app, &visit, Policy::ApiUser, caller.user.as_bytes()).await?;
    let (checked, now) = (order::check(&app, &caller, request).await?, visit.now());
    let mut places = vec![app.exports.send_to(caller.user)?];
    // Before anything is collected for it.
    let desk = match checked.format {
        Format::Pdf => {
            let (desk, place) = app.exports.desk_now(caller.user)?;
            places.push(place);
            Some(desk)
        }
        Format::Csv | Format::Json => None,
    };
    let commission = commission(&app, caller.user, &checked.wish, now).await?;
    let mut source = (checked.kind.open)(&app, &commission).await?;
    source.count(STREAMED_ROWS_MAX).await?;
    let manner =
        Manner { kind: checked.kind.name, format: checked.format, dialect: checked.wish.csv, desk, rows_max: Some(STREAMED_ROWS_MAX) };
    let mut rendering = Rendering::new(source, manner);
    // What can be refused is refused before the answer begins.
    let mut first = rendering.next().await?.unwrap_or_default();
    if checked.format == Format::Pdf {
        while let Some(bytes) = rendering.next().await? {
            first.extend_from_slice(&bytes);
        }
    }
    let event = audit::Event::new(&app.ground, audit::EXPORT_STREAMED, now)
        .actor(Actor::User(caller.user))
        .target(Target::none("export"))
        .detail("kind", checked.kind.name)
        .detail("format", checked.format.as_str())
        .origin(&app.ground, Some(&commission.key), &origin);
    app.ground.db.write(async move |tx| audit::record(tx, &event).await).await?;
    let right = Right::new(app.clone(), caller.token(), Some(checked.kind.needs));
    let sending = Sending::new(&app.exports, right, LONGEST, places);
    // An answer that breaks off shows as such: the connection does.
    let body: Body = match checked.format {
        Format::Pdf => sending.body(None, Whole(first.into())),
        Format::Csv | Format::Json => sending.body(Some(Bytes::from(first)), rendering),
    };
    let name = HeaderValue::try_from(disposition(checked.kind.name, checked.format, now)).map_err(Problem::internal)?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(checked.format.media_type())),
        (CONTENT_DISPOSITION, name),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, body).into_response())
}
