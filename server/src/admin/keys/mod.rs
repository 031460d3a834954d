//! `/api/v1/admin/keys`: the keys that sign tokens.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::scope::KeysWrite;
use crate::app::App;
use crate::error::{Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Query};
use crate::http::guard::Scoped;
use crate::http::page::{List, PageQuery, place_of};
use crate::oauth::{self, By};
use crate::secret::PublishedKey;

const LIST: &str = "signing keys";

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(rotate))
}

/// `{key}`.
#[derive(Serialize, ToSchema)]
struct KeyAnswer {
    key: PublishedKey,
}

/// The published keys, oldest first
///
/// The one that signs, the one that will, and those that only verify what they signed. All of them stand in the key set.
#[utoipa::path(get, path = "/api/v1/admin/keys", tag = "administration", operation_id = "listKeys", security(("bearer" = ["keys:write"])), params(PageQuery),
    responses((status = 200, body = List<PublishedKey>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    _caller: Scoped<KeysWrite>,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<PublishedKey>>, Problem> {
    let page = query.check(&app.ground.roots, LIST)?;
    Ok(Json(page.answer_from(&app.ground.roots, LIST, app.ground.signer.published(), |key| place_of(&key.kid))))
}

/// Replace the key that signs tokens
///
/// The new key is published at once and signs two minutes later, when everybody who verifies tokens has had time to fetch it. The
/// old one stays published until its last token has expired. 409 while there is a new key already.
#[utoipa::path(post, path = "/api/v1/admin/keys/rotate", tag = "administration", operation_id = "rotateKeys", security(("bearer" = ["keys:write"])),
    responses((status = 200, body = KeyAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn rotate(State(app): State<App>, caller: Scoped<KeysWrite>, Now(now): Now, origin: Origin) -> Result<Json<KeyAnswer>, Problem> {
    let key = match caller.subject.person() {
        Some(person) => Some(app.ground.keyring.get(person).await?),
        None => None,
    };
    let by = By { actor: caller.subject.into(), origin: Some(origin), key };
    let key = oauth::rotate(&app.ground, by, now).await?;
    Ok(Json(KeyAnswer { key }))
}
