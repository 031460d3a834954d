//! `POST /api/v1/admin/users/{id}/impersonate`: act as somebody else for a while, to see what they see.
//!
//! What such a session can and cannot do is for [`crate::sessions`] and the guards to hold; here is who may open one, and on whom.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::users::{by, within_reach};
use crate::access::scope::UsersImpersonate;
use crate::accounts::directory::Entry;
use crate::accounts::{self, By, Status};
use crate::app::App;
use crate::audit::{self, Target};
use crate::config::IMPERSONATION_MAX;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path};
use crate::http::guard::{Scoped, Subject, Verified};
use crate::idempotency::{self, Idempotent};
use crate::mail::{self, Letter};
use crate::sessions::store::Session;
use crate::sessions::{self, SessionView};
use crate::time::Timestamp;

const MINUTE: u64 = 60;
const MINUTES: u64 = 15;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(impersonate))
}

/// Why, and for how long.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Impersonate {
    /// Stands in the audit trail, sealed.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// How long the access token lives, in minutes.
    #[schema(minimum = 1, maximum = 60, default = 15)]
    minutes: Option<u64>,
}

/// An access token and nothing that prolongs it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Impersonation {
    /// A JWT (RFC 9068) whose `act` says who acts (RFC 8693 section 4.1).
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token ends, and the session with it.
    expires_in: u64,
    session: SessionView,
}

/// Act as somebody else for a while
///
/// For support. The session has no refresh token and ends with yours, and at once when you may not do this any more. It reaches nothing
/// that is for the person alone (password, address, deletion, letting programs in), none of Keystead's own scopes, and not this route.
/// You must hold everything that the account holds. The person is told by mail and sees it among their sessions.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/impersonate", tag = "administration", operation_id = "impersonateUser", security(("bearer" = ["users:impersonate"])), request_body = Impersonate,
    params(("id" = Uuid, Path, description = "The account"), ("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, body = Impersonation), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn impersonate(
    State(app): State<App>,
    caller: Scoped<UsersImpersonate>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    Idempotent(typed, key): Idempotent<Impersonate>,
) -> Result<Response, Problem> {
    let minutes = typed.minutes.unwrap_or(MINUTES);
    if !(1..=IMPERSONATION_MAX.as_secs() / MINUTE).contains(&minutes) {
        return Err(Problem::new(Code::ValidationFailed).field("minutes", "out_of_range", "Use a number from 1 to 60."));
    }
    let parent = seat(&app, &caller, now).await?;
    if parent.user == id {
        return Err(Problem::new(Code::Conflict).detail("This is your own account."));
    }
    let found = within_reach(&app, &caller, id).await?;
    if found.row.status != Status::Active {
        return Err(Problem::new(Code::Conflict).detail("Only an active account can be used."));
    }
    let by = by(&app, &caller, &found, origin, Some(typed.reason)).await?;
    let (this, subject) = (app.clone(), parent.user);
    let work = Box::pin(async move {
        let answer = begin(&this, parent, found, by, minutes, now).await?;
        Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
    });
    idempotency::once(&app, key, "impersonations", Some(subject), now, work).await
}

/// The session from which somebody acts: their own sign-in, which is still there to be ended.
async fn seat(app: &App, caller: &Verified, now: Timestamp) -> Result<Session, Problem> {
    let Subject::Person { session, .. } = caller.subject else { return Err(not_in_person()) };
    if !caller.own {
        return Err(not_in_person());
    }
    let found = sessions::store::find(&app.ground.db, session).await?;
    found.filter(|session| session.is_open(now)).ok_or_else(|| Code::SessionRevoked.into())
}

fn not_in_person() -> Problem {
    Problem::new(Code::Forbidden).detail("Whoever acts as somebody else has to be signed in themselves; a program cannot.")
}

/// Opens the session, on record and with a letter to the person.
async fn begin(app: &App, parent: Session, found: Entry, by: By, minutes: u64, now: Timestamp) -> Result<Impersonation, Problem> {
    let Entry { row, view } = found;
    let person = Arc::new(view);
    let key = app.ground.keyring.get(row.id).await?;
    let ends = now.plus(Duration::from_secs(minutes * MINUTE)).min(parent.ends());
    let new = app.sessions.prepare_impersonation(&parent, &person, &key, ends, now);
    let event = by
        .event(&app.ground, audit::USER_IMPERSONATED, Target::user(row.id), now)
        .detail("session", new.id().to_string())
        .detail("minutes", minutes);
    let letter = Letter::Impersonated { name: person.name.clone(), at: now.to_rfc3339(), minutes };
    let (this, begun, to) = (app.clone(), new.clone(), person.email.clone());
    app.ground
        .db
        .write(async move |tx| {
            if !sessions::store::hold(tx, parent.id).await? {
                return Err(Problem::new(Code::SessionRevoked));
            }
            if !accounts::store::hold(tx, &row).await? {
                return Err(Problem::new(Code::Conflict).detail("The account changed a moment ago. Look again."));
            }
            sessions::start(tx, &begun).await?;
            audit::record(tx, &event).await?;
            mail::post(tx, &this.ground.jobs, &to, letter.clone(), now).await?;
            Ok::<_, Problem>(())
        })
        .await?;
    let (access_token, expires_in) = app.sessions.impersonation_token(&new, &person, now)?;
    Ok(Impersonation { access_token, token_type: "Bearer", expires_in, session: new.session().into() })
}
