//! What the trail says about one person: what they did, and what was done to them.

use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::event::open_sealed;
use super::store;
use crate::db::DbError;
use crate::ground::Ground;
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// An event as the person it is about gets it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutEvent {
    /// The event.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// `user`, `client`, `operator`, `system` or `unknown`.
    pub actor_type: String,
    /// Who acted.
    pub actor_id: Option<Uuid>,
    /// The act.
    pub action: String,
    /// What kind of thing was acted on.
    pub target_type: String,
    /// Which.
    pub target_id: Option<Uuid>,
    /// `success` or `denied`.
    pub outcome: String,
    /// The person's own address; that of others is theirs.
    pub ip: Option<String>,
    /// The person's own user agent.
    pub user_agent: Option<String>,
    /// Details.
    pub details: Json,
}

/// Up to `rows` events by or on `person`, whose key is `key`, behind the event `after`, oldest first.
///
/// # Errors
/// The store does not answer.
pub async fn about(ground: &Ground, person: Uuid, key: &PersonKey, after: Option<Uuid>, rows: i64) -> Result<Vec<AboutEvent>, DbError> {
    let found = store::about(&ground.db, person, after.unwrap_or(Uuid::nil()), rows).await?;
    let shown = found.into_iter().map(|link| {
        let own = link.event.sealed_for == Some(person);
        let origin = if own { open_sealed(&ground.roots, Some(key), &link.event).0 } else { Default::default() };
        let event = link.event;
        AboutEvent {
            id: event.id,
            at: event.at,
            actor_type: event.actor_type,
            actor_id: event.actor,
            action: event.action,
            target_type: event.target_type,
            target_id: event.target,
            outcome: event.outcome,
            ip: origin.ip.map(|ip| ip.to_string()),
            user_agent: origin.user_agent,
            details: serde_json::from_str(&event.details).unwrap_or(Json::Null),
        }
    });
    Ok(shown.collect())
}
