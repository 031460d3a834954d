//! Events as those who may read the trail see them, page by page, newest first.

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::chain::Link;
use super::event::open_sealed;
use super::search::Filter;
use super::store;
use crate::db::{DbError, hex};
use crate::error::Problem;
use crate::ground::Ground;
use crate::time::Timestamp;

/// Somebody or something.
#[derive(Serialize, ToSchema)]
pub struct Party {
    /// What kind.
    pub r#type: String,
    /// Who, or which.
    #[schema(required = true)]
    pub id: Option<Uuid>,
}

/// An event of the audit trail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// The event.
    pub id: Uuid,
    /// Its place in the chain; null for the second until it is sealed.
    #[schema(required = true)]
    pub seq: Option<i64>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who acted.
    pub actor: Party,
    /// The act.
    pub action: String,
    /// What was acted on.
    pub target: Party,
    /// `success` or `denied`.
    pub outcome: String,
    /// Null where there was none, and once the person is erased.
    #[schema(required = true)]
    pub ip: Option<String>,
    /// The same of the user agent.
    #[schema(required = true)]
    pub user_agent: Option<String>,
    /// In which request.
    #[schema(required = true)]
    pub request_id: Option<String>,
    /// What whoever acted gave as the reason; left out where there was none, and once they are erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Words and ids of ours.
    #[schema(value_type = Object)]
    pub details: Json,
    /// SHA-256 in hexadecimal.
    #[schema(required = true)]
    pub hash: Option<String>,
    /// That of the event before.
    #[schema(required = true)]
    pub previous_hash: Option<String>,
}

/// Up to `rows` events that pass `filter`, older than `before`, newest first; opened as far as they can be.
///
/// # Errors
/// The store or the keyring does not answer.
pub async fn page(ground: &Ground, filter: &Filter, before: Option<Uuid>, rows: i64) -> Result<Vec<EventView>, Problem> {
    let before = before.map_or(filter.highest_id(), |before| before.min(filter.highest_id()));
    let found = store::search(&ground.db, filter, before, rows).await?;
    let people: Vec<Uuid> = found.iter().filter_map(|link| link.event.sealed_for).collect();
    // Whoever reads the trail does not speak for those in it: their keys drive out nobody's.
    let keys = ground.keyring.read_many(&people).await?;
    let opened = found.into_iter().map(|link| {
        let key = link.event.sealed_for.and_then(|person| keys.get(&person));
        let (origin, reason) = open_sealed(&ground.roots, key, &link.event);
        EventView { reason, ..view(link, origin.ip.map(|ip| ip.to_string()), origin.user_agent) }
    });
    Ok(opened.collect())
}

/// How many events pass `filter`.
///
/// # Errors
/// The store does not answer in time.
pub async fn count(ground: &Ground, filter: &Filter) -> Result<u64, DbError> {
    store::count(&ground.db, filter).await
}

fn view(link: Link, ip: Option<String>, user_agent: Option<String>) -> EventView {
    let event = link.event;
    EventView {
        id: event.id,
        seq: link.hash.is_some().then_some(link.seq),
        at: event.at,
        actor: Party { r#type: event.actor_type, id: event.actor },
        action: event.action,
        target: Party { r#type: event.target_type, id: event.target },
        outcome: event.outcome,
        ip,
        user_agent,
        request_id: event.request_id,
        reason: None,
        // What somebody wrote into the table by hand may be no JSON; it is shown as the text it is.
        details: serde_json::from_str(&event.details)
            .ok()
            .filter(Json::is_object)
            .unwrap_or_else(|| serde_json::json!({"text": event.details})),
        hash: link.hash.map(|hash| hex(&hash)),
        previous_hash: link.previous.map(|hash| hex(&hash)),
    }
}
