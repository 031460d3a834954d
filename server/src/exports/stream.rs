//! `POST /api/v1/exports/stream`: a small export at once, without an order.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::{once, try_unfold};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::download::disposition;
use super::order::{self, Order, commission};
use super::rendering::{Manner, Rendering};
use crate::access::scope::ExportsWrite;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Origin;
use crate::http::extract::Json;
use crate::http::guard::{Personal, take};
use crate::http::limits::Policy;
use crate::http::visit::Visit;

/// Rows that are streamed at most; more of them are ordered, so that a download which breaks off can go on.
pub const STREAMED_ROWS_MAX: u64 = 50_000;

/// The route of small exports.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Export a little at once
///
/// The same order, answered with the file itself. Refused (422) when there is more of it than fits: then order it.
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
    let commission = commission(&app, caller.user, &checked.wish, now).await?;
    let source = (checked.kind.open)(&app, &commission).await?;
    if source.expected().is_some_and(|rows| rows > STREAMED_ROWS_MAX) {
        let message = format!("There are more than {STREAMED_ROWS_MAX} rows. Narrow it, or order it with POST /api/v1/exports.");
        return Err(Problem::new(Code::ValidationFailed).field("filter", "too_many_rows", message));
    }
    let event = audit::Event::new(&app.ground, audit::EXPORT_STREAMED, now)
        .actor(Actor::User(caller.user))
        .target(Target::none("export"))
        .detail("kind", checked.kind.name)
        .detail("format", checked.format.as_str())
        .origin(&app.ground, Some(&commission.key), &origin);
    app.ground.db.write(async move |tx| audit::record(tx, &event).await).await?;
    let manner = Manner { kind: checked.kind.name, format: checked.format, dialect: checked.wish.csv, desks: app.exports.desks() };
    let mut rendering = Rendering::new(source, manner);
    // What can be refused is refused before the answer begins.
    let first = Bytes::from(rendering.next().await?.unwrap_or_default());
    // An answer that breaks off shows as such: the connection does.
    let pages = try_unfold(rendering, async |mut rendering| match rendering.next().await {
        Ok(bytes) => Ok(bytes.map(|bytes| (Bytes::from(bytes), rendering))),
        Err(problem) => Err(std::io::Error::other(problem.detail.into_owned())),
    });
    let pages = once(async { Ok(first) }).chain(pages);
    let name = HeaderValue::try_from(disposition(checked.kind.name, checked.format, now)).map_err(Problem::internal)?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(checked.format.media_type())),
        (CONTENT_DISPOSITION, name),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, Body::from_stream(pages)).into_response())
}
