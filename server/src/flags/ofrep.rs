//! `/ofrep/v1/evaluate/flags`: the OpenFeature Remote Evaluation Protocol 0.1, so that any OpenFeature SDK asks Keystead.
//!
//! A person is evaluated as themselves: what their program says about other attributes counts, but who they are is what the
//! token says. Whoever has `flags:read`, a service client say, evaluates for anybody.

use aws_lc_rs::digest::{self, SHA256};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use datalogic_rs::bumpalo::Bump;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::Answer;
use super::evaluate::{Compiled, Context, MissingTargetingKey, Reason, TARGETING_KEY, attributes};
use super::state::Snapshot;
use crate::access::scope::{FlagsEvaluate, FlagsRead};
use crate::app::App;
use crate::db::hex;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::body;
use crate::http::extract::{Path, json_bytes};
use crate::http::guard::{Bearer, Scope, lacks};

/// The routes of the protocol.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(one)).routes(routes!(all))
}

/// Whom to evaluate for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EvaluationRequest)]
struct Asked {
    /// Attributes, `targetingKey` among them.
    #[serde(default)]
    #[schema(value_type = Option<EvaluationContext>)]
    context: Option<Value>,
}

/// The attributes of whom a flag is evaluated for: whatever rules look at, besides these.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the context for the API reference")]
struct EvaluationContext {
    /// Whom roll-outs tell apart.
    #[schema(rename = "targetingKey", example = "user-1")]
    targeting_key: Option<String>,
}

/// A flag's value.
#[derive(Serialize, ToSchema)]
#[schema(as = EvaluationSuccess)]
struct Success<'f> {
    key: &'f str,
    /// Why this one.
    reason: Reason,
    /// The value's name.
    variant: &'f str,
    /// The value.
    #[schema(value_type = Value)]
    value: &'f Value,
}

/// Why there is none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EvaluationFailure)]
struct Failure<'f> {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    key: Option<&'f str>,
    /// As OpenFeature names it.
    #[schema(example = "FLAG_NOT_FOUND")]
    error_code: &'static str,
    /// In a sentence.
    error_details: String,
}

/// Every flag, for the API reference.
#[derive(ToSchema)]
#[schema(as = BulkEvaluation)]
#[expect(dead_code, reason = "describes what is put together from parts")]
struct Bulk<'f> {
    flags: Vec<Outcome<'f>>,
}

/// A flag's value, or why it has none.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Outcome<'f> {
    Success(Success<'f>),
    Failure(Failure<'f>),
}

impl<'f> Outcome<'f> {
    fn of(app: &App, key: &'f str, flag: &'f Compiled, context: &Context<'_>) -> Self {
        match flag.evaluate(app.flags.engine(), context) {
            Ok(found) => Self::Success(Success { key, reason: found.reason, variant: found.variant, value: found.value }),
            Err(missing) => Self::Failure(Failure::missing(key, missing)),
        }
    }
}

impl<'f> Failure<'f> {
    fn missing(key: &'f str, missing: MissingTargetingKey) -> Self {
        Self { key: Some(key), error_code: "TARGETING_KEY_MISSING", error_details: missing.to_string() }
    }

    fn answer(&self, status: StatusCode) -> Response {
        // Strings always serialise.
        (status, json_bytes(serde_json::to_vec(self).unwrap_or_default())).into_response()
    }
}

/// Evaluate one flag (OFREP)
#[utoipa::path(post, path = "/ofrep/v1/evaluate/flags/{key}", tag = "flags", operation_id = "evaluateFlag", security(("bearer" = []), ("delegated" = ["flags:evaluate"])),
    params(("key" = String, Path, description = "The flag's key")), request_body(content = Option<Asked>),
    responses((status = 200, body = Success), (status = 400, content((Failure = "application/json"), (ProblemBody = "application/problem+json"))), (status = 404, body = Failure),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn one(State(app): State<App>, caller: Bearer, Path(key): Path<String>, request: Request<Body>) -> Result<Response, Problem> {
    let known = match context_of(&app, &caller, request).await? {
        Ok(known) => known,
        Err(failure) => return Ok(Failure { key: Some(&key), ..failure }.answer(StatusCode::BAD_REQUEST)),
    };
    let (snapshot, arena) = (app.flags.snapshot(), Bump::new());
    let Some(flag) = snapshot.get(&key) else {
        let details = "There is no flag with this key.".to_owned();
        return Ok(Failure { key: Some(&key), error_code: "FLAG_NOT_FOUND", error_details: details }.answer(StatusCode::NOT_FOUND));
    };
    match Outcome::of(&app, &key, flag, &Context::new(&known, &arena)) {
        Outcome::Success(found) => Ok(json_bytes(serde_json::to_vec(&found).map_err(Problem::internal)?)),
        Outcome::Failure(failure) => Ok(failure.answer(StatusCode::BAD_REQUEST)),
    }
}

/// Evaluate every flag (OFREP)
///
/// With the `ETag` of the answer before in `If-None-Match`: 304 while nothing changed for this context.
#[utoipa::path(post, path = "/ofrep/v1/evaluate/flags", tag = "flags", operation_id = "evaluateFlags", security(("bearer" = []), ("delegated" = ["flags:evaluate"])),
    params(("If-None-Match" = Option<String>, Header, description = "The ETag of the answer before")), request_body(content = Option<Asked>),
    responses((status = 200, body = Bulk), (status = 304, description = "Nothing changed"),
        (status = 400, content((Failure = "application/json"), (ProblemBody = "application/problem+json"))),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn all(State(app): State<App>, caller: Bearer, headers: HeaderMap, request: Request<Body>) -> Result<Response, Problem> {
    let known = match context_of(&app, &caller, request).await? {
        Ok(known) => known,
        Err(failure) => return Ok(failure.answer(StatusCode::BAD_REQUEST)),
    };
    let snapshot = app.flags.snapshot();
    let Answer { body, tag } = snapshot.answers.of(&known, || answer(&app, &snapshot, &known))?;
    let unchanged = matches_tag(&headers, &tag);
    let mut response = if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { json_bytes(body) };
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Every flag of `snapshot` for whom `known` describes.
fn answer(app: &App, snapshot: &Snapshot, known: &Value) -> Result<Answer, Problem> {
    let arena = Bump::new();
    let context = Context::new(known, &arena);
    let (mut body, mut marks) = (Vec::with_capacity(128 * snapshot.count()), Vec::with_capacity(16 * snapshot.count()));
    body.extend_from_slice(b"{\"flags\":[");
    for (place, (key, flag)) in snapshot.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        match flag.evaluate(app.flags.engine(), &context) {
            Ok(found) => flag.rendered.write(found.reason, found.variant, &mut body, &mut marks),
            Err(missing) => {
                serde_json::to_writer(&mut body, &Failure::missing(key, missing)).map_err(Problem::internal)?;
                flag.rendered.no_value(&mut marks);
            }
        }
    }
    body.extend_from_slice(b"]}");
    // Of what the answer depends on: the same answer has the same tag on every instance.
    let tag = format!("\"{}\"", hex(&digest::digest(&SHA256, &marks).as_ref()[..16]));
    Ok(Answer { body: body.into(), tag: HeaderValue::try_from(tag).map_err(Problem::internal)? })
}

/// RFC 9110 section 13.1.2, by weak comparison: an answer may have been compressed on its way.
fn matches_tag(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let asked = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    asked
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|asked| asked == "*" || asked.strip_prefix("W/").unwrap_or(asked).as_bytes() == tag.as_bytes())
}

/// Serde would take an array for a struct, member by member.
fn read(bytes: &[u8]) -> serde_json::Result<Option<Value>> {
    let object: Option<Map<String, Value>> = serde_json::from_slice(bytes)?;
    serde_json::from_value::<Asked>(Value::Object(object.unwrap_or_default())).map(|asked| asked.context)
}

/// The context to evaluate in, or what is wrong with the one that was sent.
async fn context_of(app: &App, caller: &Bearer, request: Request<Body>) -> Result<Result<Value, Failure<'static>>, Problem> {
    // A personal access token, and that of an application, is for what it names; that is said before anything is read.
    if caller.subject.person().is_some() && !caller.own && !app.grants(caller, FlagsEvaluate::NAME).await? {
        return Err(lacks::<FlagsEvaluate>(caller));
    }
    let bytes = body::read(request.into_body()).await?;
    let refused = |code, details: String| Ok(Err(Failure { key: None, error_code: code, error_details: details }));
    let said = if bytes.is_empty() { Ok(None) } else { read(&bytes) };
    let said = match said {
        Ok(None | Some(Value::Null)) => Map::new(),
        Ok(Some(Value::Object(said))) if said.get(TARGETING_KEY).is_none_or(|key| key.is_string() || key.is_null()) => said,
        Ok(Some(Value::Object(_))) => return refused("INVALID_CONTEXT", "The targetingKey is not a text.".to_owned()),
        Ok(_) => return refused("INVALID_CONTEXT", "The context is not an object.".to_owned()),
        Err(error) if error.is_data() => {
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default().chars().take(200).collect::<String>();
            return refused("PARSE_ERROR", format!("The request is not an evaluation request: {said}."));
        }
        Err(_) => return refused("PARSE_ERROR", "The request is not valid JSON.".to_owned()),
    };
    if app.grants(caller, FlagsRead::NAME).await? {
        return Ok(Ok(Value::Object(said)));
    }
    let Some(user) = caller.subject.person() else { return Err(lacks::<FlagsRead>(caller)) };
    let person = app.people.view(user).await?.ok_or(Code::SessionRevoked)?;
    Ok(Ok(attributes(said, &person.body())))
}
