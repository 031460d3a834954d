//! `/api/v1/account`: what people see and change of themselves.

use axum::extract::State;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::profile::{check_name, check_role};
use super::seal::{seal_job_role, seal_name};
use super::store;
use super::view::UserBody;
use crate::access::scope::AccountRead;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::Json;
use crate::http::guard::{Personal, Present};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show, update))
}

/// `{user}`.
#[derive(serde::Serialize, ToSchema)]
struct AccountAnswer {
    user: UserBody,
}

/// My account
#[utoipa::path(get, path = "/api/v1/account", tag = "account", operation_id = "getAccount", security(("bearer" = []), ("delegated" = ["account:read"])),
    responses((status = 200, body = AccountAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn show(State(app): State<App>, caller: Personal<AccountRead>) -> Result<Json<AccountAnswer>, Problem> {
    let person = app.people.view(caller.user).await?.ok_or(Code::SessionRevoked)?;
    Ok(Json(AccountAnswer { user: person.body() }))
}

/// What to change; members left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateRequest {
    /// The name.
    #[serde(default, deserialize_with = "given")]
    #[schema(max_length = 200, min_length = 1, nullable = false)]
    name: Option<String>,
    /// The job role; null or empty removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 200)]
    role: Option<Option<String>>,
}

/// A member that may be left out and is never `null`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

/// Change my profile
#[utoipa::path(patch, path = "/api/v1/account", tag = "account", operation_id = "updateAccount", security(("bearer" = [])), request_body = UpdateRequest,
    responses((status = 200, body = AccountAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn update(
    State(app): State<App>,
    caller: Present,
    Now(now): Now,
    origin: Origin,
    Json(request): Json<UpdateRequest>,
) -> Result<Json<AccountAnswer>, Problem> {
    let user = caller.user;
    let name = request.name.as_deref().map(check_name).transpose();
    let role = request.role.map(|typed| check_role(typed.as_deref().unwrap_or(""))).transpose();
    let (name, role) = match (name, role) {
        (Ok(name), Ok(role)) => (name, role),
        (name, role) => {
            let refused = [name.err(), role.err()].into_iter().flatten().collect();
            return Err(Problem { errors: refused, ..Problem::new(Code::ValidationFailed) });
        }
    };
    let key = app.ground.keyring.get(user).await?;
    // Only what was sent is written, so that two changes at once do not undo each other.
    let name = name.map(|name| seal_name(&key, user, &name));
    let role = role.map(|role| role.map(|role| seal_job_role(&key, user, &role)));
    let event = audit::Event::new(&app.ground, audit::PROFILE_UPDATED, now).actor(Actor::User(user)).target(Target::user(user)).origin(
        &app.ground,
        Some(&key),
        &origin,
    );
    let people = app.people.clone();
    app.ground
        .db
        .write(async move |tx| {
            if !store::set_profile(tx, user, name.clone(), role.clone(), now).await? {
                return Err(Problem::new(Code::SessionRevoked));
            }
            audit::record(tx, &event).await?;
            people.changed_on_commit(tx, user);
            Ok(())
        })
        .await?;
    let person = app.people.view(user).await?.ok_or(Code::SessionRevoked)?;
    Ok(Json(AccountAnswer { user: person.body() }))
}
