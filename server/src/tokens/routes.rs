//! `/api/v1/account/tokens`: for the person alone; no token opens these.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::create::{self, NewToken};
use super::state::Tokens;
use super::view::{self, TokenView};
use super::{revocation, revoke as end, store};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Caller;
use crate::http::page::{List, PageQuery};
use crate::idempotency::{self, Idempotent};

const LIST: &str = "personal_tokens";

/// The routes of a person's own tokens.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, make)).routes(routes!(revoke))
}

/// A token that was made just now.
#[derive(Serialize, ToSchema)]
struct TokenMade {
    /// What it is.
    token: TokenView,
    /// The token for `Authorization: Bearer`. Shown this once; nobody can read it again.
    #[schema(example = "ksp_…")]
    secret: String,
}

/// My personal access tokens, newest first
///
/// Those that ended are listed for another 30 days, unless they were revoked.
#[utoipa::path(get, path = "/api/v1/account/tokens", tag = "account", operation_id = "listTokens", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = List<TokenView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(State(app): State<App>, caller: Caller, Query(query): Query<PageQuery>) -> Result<Json<List<TokenView>>, Problem> {
    page(&app.tokens, &query, caller.user).await.map(Json)
}

/// A page of the tokens of `user`.
pub(super) async fn page(tokens: &Tokens, query: &PageQuery, user: Uuid) -> Result<List<TokenView>, Problem> {
    let ground = &tokens.ground;
    let page = query.check(&ground.roots, LIST)?;
    let key = ground.keyring.get(user).await?;
    let rows = store::list(&ground.db, user, page.after, page.rows()).await?;
    let items = rows.into_iter().map(|row| view::open(row, &key)).collect::<Result<Vec<_>, _>>()?;
    Ok(page.answer(&ground.roots, LIST, items, |token| token.id))
}

/// Make a personal access token
///
/// For a program that acts for you: named, with fewer rights than yours, ending by itself. The secret is shown this once. Send it as
/// `Authorization: Bearer ksp_…` where a scope is asked for. You are told by mail.
#[utoipa::path(post, path = "/api/v1/account/tokens", tag = "account", operation_id = "createToken", params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), security(("bearer" = [])), request_body = NewToken,
    responses((status = 201, body = TokenMade), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn make(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    origin: Origin,
    Idempotent(request, key): Idempotent<NewToken>,
) -> Result<Response, Problem> {
    let (this, user, session) = (app.clone(), caller.user, caller.session);
    let work = Box::pin(async move {
        let made = create::create(&this, user, session, request, &origin, now).await?;
        let answer = TokenMade { token: made.view, secret: made.secret.expose_secret().to_owned() };
        Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
    });
    idempotency::once(&app, key, "personal_tokens", Some(user), now, work).await
}

/// Revoke a personal access token
///
/// Refused on every instance within a second.
#[utoipa::path(delete, path = "/api/v1/account/tokens/{id}", tag = "account", operation_id = "revokeMyToken", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The token's id")),
    responses((status = 204, description = "Revoked"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let key = app.ground.keyring.get(caller.user).await?;
    let event = revocation(&app, id, now).actor(caller.subject.into()).origin(&app.ground, Some(&key), &origin);
    match end(&app, id, caller.user, event, now).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Code::NotFound.into()),
    }
}
