//! Ordering an export: whether it may be had, and then the order, its place in the queue and the record of it in one transaction.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::produce::{EXPORT, Ticket};
use super::source::{Commission, Format, Kind, Needs};
use super::store::{self, Stored};
use super::view::{ExportAnswer, ExportView};
use super::wish::Wish;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem};
use crate::http::challenge::{Fault, challenged};
use crate::http::context::Origin;
use crate::http::guard::Verified;
use crate::spreadsheet::Dialect;
use crate::time::Timestamp;

/// Exports of one person that are under way at most.
pub const UNDER_WAY_MAX: i64 = 3;
/// Files of one person that can be fetched at most.
pub const FILES_MAX: i64 = 20;

/// An export that is wanted.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExportOrder)]
pub(super) struct Order {
    /// Of what: `transactions`, `audit` (takes `audit:read`), `account`, or `transcripts` (its filter names the `voiceSession`).
    #[schema(min_length = 1, max_length = 32, example = "transactions")]
    pub kind: String,
    /// How it is written; `account` as `json` or `pdf` only.
    pub format: Format,
    /// What narrows it, with the members that the list of the same kind takes in its query; `account` takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub filter: Option<Map<String, Json>>,
    /// How CSV is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<Dialect>,
}

/// An order that was checked.
pub(super) struct Checked {
    pub kind: Kind,
    pub format: Format,
    pub wish: Wish,
}

/// Whether the holder of `token` may have what `order` asks for.
///
/// # Errors
/// `validation_failed` and `invalid_request` with what is wrong with it; `insufficient_scope`.
pub(super) async fn check(app: &App, token: &Verified, order: Order) -> Result<Checked, Problem> {
    let Some(kind) = app.exports.kind(&order.kind) else {
        let known = app.exports.names().collect::<Vec<_>>().join(", ");
        return Err(Problem::new(Code::ValidationFailed).field("kind", "unknown", format!("There is no such kind. Use one of: {known}.")));
    };
    let format = order.format;
    if !kind.formats.contains(&format) {
        let known = kind.formats.iter().map(|format| format.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Problem::new(Code::ValidationFailed).field("format", "not_offered", format!("This kind is written as: {known}.")));
    }
    if order.csv.is_some() && format != Format::Csv {
        return Err(Problem::new(Code::ValidationFailed).field("csv", "not_offered", "This is for the format csv."));
    }
    let filter = order.filter.map_or(Json::Null, Json::Object);
    (kind.check)(&filter)?;
    may(app, token, kind.needs).await?;
    Ok(Checked { kind, format, wish: Wish { filter, csv: order.csv.unwrap_or_default() } })
}

/// Whether the holder of `token` may have what `needs` this.
///
/// # Errors
/// `insufficient_scope`.
pub(super) async fn may(app: &App, token: &Verified, needs: Needs) -> Result<(), Problem> {
    if token.impersonator.is_some() {
        let detail = "This is for the person alone; whoever acts as them does not reach it.";
        return Err(token.refused(Problem::new(Code::InsufficientScope).detail(detail)));
    }
    let (scope, may) = match needs {
        Needs::Person => (None, token.own),
        Needs::Own(scope) => (Some(scope), token.own || app.grants(token, scope).await?),
        Needs::Granted(scope) => (Some(scope), app.grants(token, scope).await?),
    };
    if may {
        return Ok(());
    }
    let detail = match scope {
        Some(scope) => format!("This needs the scope `{scope}`, which the access token does not have."),
        None => "This is for the person alone, signed in by themselves.".to_owned(),
    };
    Err(challenged(Problem::new(Code::InsufficientScope).detail(detail), token.scheme(), Fault::InsufficientScope(scope)))
}

/// What `checked` is opened with.
pub(super) async fn commission(app: &App, person: Uuid, wish: &Wish, now: Timestamp) -> Result<Commission, Problem> {
    let key = app.ground.keyring.get(person).await?;
    Ok(Commission { person, key, filter: wish.filter.clone(), now })
}

/// Orders what was checked, for `person`.
///
/// # Errors
/// `conflict` when they have too many.
pub(super) async fn order(app: &App, person: Uuid, checked: Checked, origin: &Origin, now: Timestamp) -> Result<ExportAnswer, Problem> {
    let ground = &app.ground;
    let key = ground.keyring.get(person).await?;
    let id = ground.random.uuid(now);
    let new = Stored {
        id,
        user: person,
        kind: checked.kind.name.to_owned(),
        format: checked.format.as_str().to_owned(),
        wish: checked.wish.seal(&key, id)?,
        status: "queued".to_owned(),
        run: None,
        rows_done: 0,
        rows_expected: None,
        bytes: 0,
        failure: None,
        created_at: now,
        finished_at: None,
        expires_at: None,
    };
    let event = audit::Event::new(ground, audit::EXPORT_REQUESTED, now)
        .actor(Actor::User(person))
        .target(Target::export(id))
        .detail("kind", checked.kind.name)
        .detail("format", checked.format.as_str())
        .origin(ground, Some(&key), origin);
    let (jobs, row, room) = (ground.jobs.clone(), new.clone(), ground.settings.exports.bytes_per_person);
    let work = async move |tx: &mut crate::db::Tx| {
        if !store::hold(tx, person).await? {
            return Err(Problem::new(Code::SessionRevoked));
        }
        let held = store::count(tx, person, now).await?;
        if held.under_way >= UNDER_WAY_MAX {
            let detail = format!("You have {UNDER_WAY_MAX} exports under way. Wait for one, or delete it.");
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        if held.files >= FILES_MAX {
            let detail = format!("You have {FILES_MAX} exports that can be fetched. Delete one that you do not need.");
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        if held.bytes >= room {
            let detail = format!("Your exports have {} bytes, and may have {room}. Delete one that you do not need.", held.bytes);
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        store::insert(tx, &row).await?;
        audit::record(tx, &event).await?;
        jobs.enqueue(tx, EXPORT, &Ticket { export: id, person }, now).await?;
        Ok(())
    };
    ground.db.write(work).await?;
    Ok(ExportAnswer { export: ExportView::of(new, now) })
}
