//! `/api/v1/admin/flags`: how flags are configured.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::declared::DECLARED;
use super::definition::{Definition, Kind, Rule, check_key};
use super::store::{self, Stored};
use crate::access::scope;
use crate::app::App;
use crate::audit::{self, Event, Target};
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Scoped;
use crate::http::if_match::{IfMatch, etag};
use crate::http::page::{List, PageQuery, place_of};
use crate::time::Timestamp;

/// Flags of an installation; all of them are in the memory of every instance.
pub const FLAGS_MAX: i64 = 2_000;
const LIST: &str = "flags";

/// The routes of administration.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_flags)).routes(routes!(get_flag, put_flag, delete_flag))
}

/// A flag with its history in short.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Flag)]
pub struct FlagView {
    /// What programs ask for.
    pub key: String,
    /// What all variants are.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Switched off, everybody gets `offVariant`.
    pub enabled: bool,
    /// The values by name.
    #[schema(value_type = Object)]
    pub variants: BTreeMap<String, Value>,
    /// For whom no rule decides.
    pub default_variant: String,
    /// For everybody while the flag is disabled.
    #[schema(required = true)]
    pub off_variant: Option<String>,
    /// What the flag switches.
    #[schema(required = true)]
    pub description: Option<String>,
    /// Looked at in order; the first that decides wins.
    pub rules: Vec<Rule>,
    /// Counts changes; 0 while a flag of Keystead's own has its default.
    pub version: i64,
    /// Whether Keystead itself looks at it.
    pub declared: bool,
    /// When it was configured first.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub updated_at: Option<Timestamp>,
}

impl From<Stored> for FlagView {
    fn from(stored: Stored) -> Self {
        let times = (Some(stored.created_at), Some(stored.updated_at));
        Self::of(stored.key, stored.definition, stored.version, times)
    }
}

impl FlagView {
    fn of(key: String, definition: Definition, version: i64, (created_at, updated_at): (Option<Timestamp>, Option<Timestamp>)) -> Self {
        let declared = DECLARED.iter().any(|flag| flag.key == key);
        let Definition { kind, enabled, variants, default_variant, off_variant, description, rules } = definition;
        Self { key, kind, enabled, variants, default_variant, off_variant, description, rules, version, declared, created_at, updated_at }
    }

    /// How it is configured, to be changed and put again.
    pub fn definition(&self) -> Definition {
        Definition {
            kind: self.kind,
            enabled: self.enabled,
            variants: self.variants.clone(),
            default_variant: self.default_variant.clone(),
            off_variant: self.off_variant.clone(),
            description: self.description.clone(),
            rules: self.rules.clone(),
        }
    }
}

fn by_default(key: &str) -> Option<FlagView> {
    let flag = DECLARED.iter().find(|flag| flag.key == key)?;
    Some(FlagView::of(key.to_owned(), flag.definition(), 0, (None, None)))
}

/// `{flag}`.
#[derive(Serialize, ToSchema)]
struct FlagAnswer {
    flag: FlagView,
}

fn answer(flag: FlagView) -> Response {
    ([(header::ETAG, etag(flag.version))], Json(FlagAnswer { flag })).into_response()
}

/// Every flag by key, with those of Keystead's own that nobody configured.
///
/// # Errors
/// The store does not answer.
pub async fn list(app: &App) -> Result<Vec<FlagView>, Problem> {
    let mut flags: Vec<FlagView> = store::all(&app.ground.db, FLAGS_MAX).await?.into_iter().map(FlagView::from).collect();
    let unconfigured = DECLARED.iter().filter(|declared| flags.iter().all(|flag| flag.key != declared.key));
    let unconfigured: Vec<_> = unconfigured.filter_map(|declared| by_default(declared.key)).collect();
    flags.extend(unconfigured);
    flags.sort_unstable_by(|one, two| one.key.cmp(&two.key));
    Ok(flags)
}

/// Configures a flag.
///
/// # Errors
/// `validation_failed` with everything that is wrong, `version_conflict` when `expected` allows none of what is there, `conflict`
/// when there are too many flags.
pub async fn put(
    app: &App,
    key: &str,
    definition: Definition,
    expected: &IfMatch,
    act: impl Fn(Event) -> Event,
    now: Timestamp,
) -> Result<FlagView, Problem> {
    let errors: Vec<_> = check_key(key).err().into_iter().chain(definition.check()).collect();
    if !errors.is_empty() {
        return Err(Problem { errors, ..Problem::new(Code::ValidationFailed) });
    }
    let expected = expect(app, key, expected).await?;
    let event = act(Event::new(&app.ground, audit::FLAG_CHANGED, now).target(Target::none("flag")));
    let (flags, key) = (app.flags.clone(), key.to_owned());
    let stored = app
        .ground
        .db
        .write(async move |tx| {
            let stored = store::put(tx, &key, &definition, expected, now).await?.ok_or(Code::VersionConflict)?;
            if stored.version == 1 && store::count(tx).await? > FLAGS_MAX {
                return Err(
                    Problem::new(Code::Conflict).detail(format!("There are {FLAGS_MAX} flags already. Delete one that is not used."))
                );
            }
            let written = serde_json::to_value(&stored.definition).unwrap_or_default();
            let event = event.clone().detail("key", key.clone()).detail("version", stored.version).detail("definition", written);
            audit::record(tx, &event).await?;
            flags.changed_on_commit(tx);
            Ok::<_, Problem>(stored)
        })
        .await?;
    app.flags.reload().await?;
    Ok(stored.into())
}

/// Deletes a flag; one of Keystead's own goes back to its default.
///
/// # Errors
/// `not_found`, or `version_conflict`.
pub async fn delete(app: &App, key: &str, expected: &IfMatch, act: impl Fn(Event) -> Event, now: Timestamp) -> Result<(), Problem> {
    let expected = expect(app, key, expected).await?;
    let event = act(Event::new(&app.ground, audit::FLAG_DELETED, now).target(Target::none("flag"))).detail("key", key.to_owned());
    let (flags, key) = (app.flags.clone(), key.to_owned());
    app.ground
        .db
        .write(async move |tx| {
            if !store::delete(tx, &key, expected, now).await? {
                return Err(Problem::from(if expected.is_some() { Code::VersionConflict } else { Code::NotFound }));
            }
            audit::record(tx, &event).await?;
            flags.changed_on_commit(tx);
            Ok(())
        })
        .await?;
    app.flags.reload().await?;
    Ok(())
}

/// The version that may be changed, when the caller named one; whether it is still that one is decided where it is changed.
async fn expect(app: &App, key: &str, asked: &IfMatch) -> Result<Option<i64>, Problem> {
    if *asked == IfMatch::default() {
        return Ok(None);
    }
    let found = store::find(&app.ground.db, key).await?.map(|flag| flag.version);
    found.filter(|version| asked.allows(*version)).map(Some).ok_or_else(|| Code::VersionConflict.into())
}

/// Every flag
///
/// By key; flags that Keystead itself looks at are listed with their default until somebody configures them.
#[utoipa::path(get, path = "/api/v1/admin/flags", tag = "flags", operation_id = "listFlags", security(("bearer" = ["flags:read"])),
    params(PageQuery),
    responses((status = 200, body = List<FlagView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list_flags(
    State(app): State<App>,
    _caller: Scoped<scope::FlagsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<FlagView>>, Problem> {
    let page = query.check(&app.ground.roots, LIST)?;
    let flags = list(&app).await?;
    Ok(Json(page.answer_from(&app.ground.roots, LIST, flags, |flag| place_of(&flag.key))))
}

/// One flag
#[utoipa::path(get, path = "/api/v1/admin/flags/{key}", tag = "flags", operation_id = "getFlag", security(("bearer" = ["flags:read"])),
    params(("key" = String, Path, description = "The flag's key")),
    responses((status = 200, body = FlagAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn get_flag(State(app): State<App>, _caller: Scoped<scope::FlagsRead>, Path(key): Path<String>) -> Result<Response, Problem> {
    let found = match check_key(&key) {
        Ok(()) => store::find(&app.ground.db, &key).await?.map(FlagView::from).or_else(|| by_default(&key)),
        Err(_) => None,
    };
    Ok(answer(found.ok_or(Code::NotFound)?))
}

/// Configure a flag
///
/// Makes it when there is none. In force on every instance within a second. With `If-Match` (the `ETag` of an answer), only if nobody
/// changed it meanwhile.
#[utoipa::path(put, path = "/api/v1/admin/flags/{key}", tag = "flags", operation_id = "putFlag", security(("bearer" = ["flags:write"])),
    params(("key" = String, Path, description = "1 to 128 characters of a-z, 0-9, dot, dash and underscore"),
        ("If-Match" = Option<String>, Header, description = "The version that was read")),
    request_body = Definition,
    responses((status = 200, body = FlagAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn put_flag(
    State(app): State<App>,
    caller: Scoped<scope::FlagsWrite>,
    Now(now): Now,
    origin: Origin,
    if_match: IfMatch,
    Path(key): Path<String>,
    Json(definition): Json<Definition>,
) -> Result<Response, Problem> {
    let by = recorded(&app, &caller, origin).await?;
    put(&app, &key, definition, &if_match, by, now).await.map(answer)
}

/// Delete a flag
#[utoipa::path(delete, path = "/api/v1/admin/flags/{key}", tag = "flags", operation_id = "deleteFlag", security(("bearer" = ["flags:write"])),
    params(("key" = String, Path, description = "The flag's key"),
        ("If-Match" = Option<String>, Header, description = "The version that was read")),
    responses((status = 204, description = "Deleted"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete_flag(
    State(app): State<App>,
    caller: Scoped<scope::FlagsWrite>,
    Now(now): Now,
    origin: Origin,
    if_match: IfMatch,
    Path(key): Path<String>,
) -> Result<StatusCode, Problem> {
    if check_key(&key).is_err() {
        return Err(Code::NotFound.into());
    }
    let by = recorded(&app, &caller, origin).await?;
    delete(&app, &key, &if_match, by, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who did it and from where, for the record.
async fn recorded(app: &App, caller: &Scoped<scope::FlagsWrite>, origin: Origin) -> Result<impl Fn(Event) -> Event + use<>, Problem> {
    let (subject, ground) = (caller.subject, app.ground.clone());
    let key = match subject.person() {
        Some(person) => Some(ground.keyring.get(person).await?),
        None => None,
    };
    Ok(move |event: Event| event.actor(subject.into()).origin(&ground, key.as_ref(), &origin))
}
