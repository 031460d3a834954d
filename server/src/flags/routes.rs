//! `GET /api/v1/flags`: what the caller gets.

use std::collections::BTreeMap;

use axum::extract::State;
use datalogic_rs::bumpalo::Bump;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::evaluate::{Context, attributes};
use crate::access::scope::FlagsEvaluate;
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::extract::Json;
use crate::http::guard::Personal;

/// The routes of signed-in people.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(mine))
}

/// Every flag's value.
#[derive(Serialize, ToSchema)]
struct FlagValues {
    #[schema(value_type = Object)]
    flags: BTreeMap<String, Value>,
}

/// My flags
///
/// Every flag as it is evaluated for the caller. Rules see `targetingKey` and `userId` (the id), `email`, `emailVerified`, `role`, `roles`
/// and `createdAt`.
#[utoipa::path(get, path = "/api/v1/flags", tag = "flags", operation_id = "myFlags", security(("bearer" = []), ("delegated" = ["flags:evaluate"])),
    responses((status = 200, body = FlagValues), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn mine(State(app): State<App>, caller: Personal<FlagsEvaluate>) -> Result<Json<FlagValues>, Problem> {
    let person = app.people.view(caller.user).await?.ok_or(Code::SessionRevoked)?;
    let known = attributes(Map::new(), &person.body());
    let (snapshot, arena) = (app.flags.snapshot(), Bump::new());
    let context = Context::new(&known, &arena);
    let values = snapshot.iter().filter_map(|(key, flag)| {
        // There is a targeting key, the caller's id.
        let evaluated = flag.evaluate(app.flags.engine(), &context).ok()?;
        Some((key.to_owned(), evaluated.value.clone()))
    });
    Ok(Json(FlagValues { flags: values.collect() }))
}
