//! `/api/v1/voice/sessions/{id}/transcript`: posting and reading back. The live stream stands in `stream.rs`.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::segment::{self, Batch, SegmentView};
use super::{admission, post, store};
use crate::access::scope;
use crate::app::App;
use crate::error::{Problem, ProblemBody};
use crate::http::extract::{Json, Path, Query, read_json};
use crate::http::guard::{Bearer, Personal, take_address};
use crate::http::limits::Policy;
use crate::http::page::{List, PageQuery};
use crate::http::visit::Visit;

/// The routes of posting and reading.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, relay))
}

/// What became of a post.
#[derive(Serialize, ToSchema)]
#[schema(as = TranscriptAccepted)]
struct Accepted {
    /// Segments that were accepted: all that were posted, those that changed nothing included.
    accepted: usize,
}

/// Add to the transcript of a voice session
///
/// Segments are numbered by `seq`; they may come late, more than once and with gaps. One that is not `final` may be replaced by a later
/// post of the same number. A final one never changes: the same again is accepted without effect, and so is a partial that was
/// overtaken; another final text is a conflict. A post is stored as a whole or not at all, and is on disk when this answers. A post
/// that was not answered is safe to repeat.
///
/// For the owner of the session; and for a service with the scope `transcripts:relay` that redeemed a join token of this session.
/// After the session has ended, late segments are accepted for a while (a minute unless it is configured otherwise), then answered 410.
#[utoipa::path(post, path = "/api/v1/voice/sessions/{id}/transcript", tag = "voice", operation_id = "postTranscript",
    security(("bearer" = []), ("delegated" = ["transcripts:write"])),
    params(("id" = Uuid, Path, description = "The voice session's id")), request_body = Batch,
    responses((status = 202, description = "Stored; listeners are told", body = Accepted),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn relay(
    State(app): State<App>,
    caller: Bearer,
    visit: Visit,
    Path(id): Path<Uuid>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    take_address(&app, &visit, Policy::Transcript).await?;
    // Read in any case: a client that still writes would not see the answer.
    let batch = read_json::<Batch>(request).await;
    let session = admission::to_post(&app, &caller, id).await?;
    let (batch, _) = batch?;
    let accepted = post::post(&app, session, batch.check()?, visit.now()).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted })).into_response())
}

/// Which segments are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Segments on the page.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(required = false, pattern = "^[A-Za-z0-9_-]{43}$")]
    cursor: Option<String>,
    /// Only those that never change any more.
    #[serde(default)]
    #[param(required = false)]
    r#final: bool,
}

/// The transcript of a voice session, in the order of `seq`
#[utoipa::path(get, path = "/api/v1/voice/sessions/{id}/transcript", tag = "voice", operation_id = "listTranscript",
    security(("bearer" = []), ("delegated" = ["transcripts:read"])),
    params(("id" = Uuid, Path, description = "The voice session's id"), ListQuery),
    responses((status = 200, body = List<SegmentView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    caller: Personal<scope::TranscriptsRead>,
    Path(id): Path<Uuid>,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<SegmentView>>, Problem> {
    let ground = &app.ground;
    let session = admission::own(&app, caller.user, id).await?;
    let name = format!("transcript {}", session.id);
    let page = PageQuery { limit: query.limit, cursor: query.cursor }.check(&ground.roots, &name)?;
    let key = ground.keyring.get(session.owner).await?;
    let after = page.after.map_or(-1, seq_of);
    let rows = store::list(&ground.db, session.id, query.r#final, after, page.rows()).await?;
    let items = rows.iter().map(|row| segment::open(row, &key, session.id)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.answer(&ground.roots, &name, items, |segment| place_of(segment.seq))))
}

/// A number as cursors name a row. They are sealed for one list, so nobody takes it for an id.
fn place_of(seq: i64) -> Uuid {
    // A number is not negative.
    Uuid::from_u64_pair(0, seq.unsigned_abs())
}

fn seq_of(place: Uuid) -> i64 {
    i64::try_from(place.as_u64_pair().1).unwrap_or(i64::MAX)
}
