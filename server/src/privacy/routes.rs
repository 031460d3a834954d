//! `/api/v1/account/consents`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::consents::{self, Acceptance, check_acceptance};
use super::store::{self, Consent};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Query};
use crate::http::guard::{Caller, Present};
use crate::http::page::{List, PageQuery};
use crate::idempotency::{self, Idempotent};
use crate::secret::{PersonKey, Place};
use crate::time::Timestamp;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, give))
}

/// A consent as its giver sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsentItem {
    id: Uuid,
    policy: String,
    version: String,
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Timestamp,
    /// Where it was given from.
    #[schema(required = true)]
    ip: Option<String>,
}

/// `consent`, opened with the key of its giver.
pub(super) fn shown(consent: &Consent, key: &PersonKey) -> ConsentItem {
    let place = Place { table: "consents", column: "ip", row: consent.id.as_bytes() };
    ConsentItem {
        id: consent.id,
        policy: consent.policy.clone(),
        version: consent.version.clone(),
        accepted_at: consent.accepted_at,
        ip: consent.ip.as_ref().and_then(|sealed| key.open_text(place, sealed).ok()),
    }
}

const LIST: &str = "consents";

/// My consents, newest first
#[utoipa::path(get, path = "/api/v1/account/consents", tag = "account", operation_id = "listConsents", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = List<ConsentItem>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(State(app): State<App>, caller: Present, Query(query): Query<PageQuery>) -> Result<Json<List<ConsentItem>>, Problem> {
    let page = query.check(&app.ground.roots, LIST)?;
    let key = app.ground.keyring.get(caller.user).await?;
    let rows = store::list(&app.ground.db, caller.user, page.after, page.rows()).await?;
    let items = rows.iter().map(|consent| shown(consent, &key)).collect();
    Ok(Json(page.answer(&app.ground.roots, LIST, items, |item| item.id)))
}

/// `{consent}`.
#[derive(Serialize, ToSchema)]
struct ConsentAnswer {
    consent: ConsentItem,
}

/// Accept a policy
///
/// Giving the same consent again changes nothing and answers with the one on record.
#[utoipa::path(post, path = "/api/v1/account/consents", tag = "account", operation_id = "giveConsent", params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), security(("bearer" = [])), request_body = Acceptance,
    responses((status = 201, body = ConsentAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn give(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    origin: Origin,
    Idempotent(request, key): Idempotent<Acceptance>,
) -> Result<Response, Problem> {
    let (this, user) = (app.clone(), caller.user);
    let work = Box::pin(async move {
        let answer = accept(&this, user, &request, &origin, now).await?;
        Ok((StatusCode::CREATED, Json(answer)).into_response())
    });
    idempotency::once(&app, key, "consents", Some(user), now, work).await
}

async fn accept(app: &App, user: Uuid, request: &Acceptance, origin: &Origin, now: Timestamp) -> Result<ConsentAnswer, Problem> {
    if let Err(fault) = check_acceptance(&app.ground.settings, request, "policy") {
        return Err(Problem { errors: vec![fault], ..Problem::new(Code::ValidationFailed) });
    }
    let key = app.ground.keyring.get(user).await?;
    let new = consents::give(&app.ground, user, &key, request, origin, now);
    let event = audit::Event::new(&app.ground, audit::CONSENT_GIVEN, now)
        .actor(Actor::User(user))
        .target(Target::user(user))
        .detail("policy", new.policy.clone())
        .detail("version", new.version.clone())
        .origin(&app.ground, Some(&key), origin);
    let written = app
        .ground
        .db
        .write(async move |tx| {
            if store::insert(tx, &new).await? {
                audit::record(tx, &event).await?;
            }
            store::find(tx, user, &new.policy, &new.version).await
        })
        .await?;
    let written = written.ok_or_else(|| Problem::internal("a consent that was just written is not there"))?;
    Ok(ConsentAnswer { consent: shown(&written, &key) })
}
