//! Every SQL line about audit events.

use serde_json::Value as Json;

use super::event::{Actor, Event};
use crate::args;
use crate::db::{DbError, Tx};

crate::statements! {
    /// A new event.
    INSERT = "INSERT INTO audit_events (id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
}

/// Writes `event` in the transaction of the act it tells of.
pub async fn record(tx: &mut Tx, event: &Event) -> Result<(), DbError> {
    let (actor_type, actor_id) = match event.actor {
        Actor::User(id) => ("user", Some(id)),
        Actor::Operator => ("operator", None),
        Actor::System => ("system", None),
        Actor::Unknown => ("unknown", None),
    };
    let args = args![
        event.id,
        event.at,
        actor_type,
        actor_id,
        event.action.0,
        event.target.kind,
        event.target.id,
        event.outcome,
        event.sealed_for,
        event.origin.clone(),
        event.request_id.clone(),
        Json::Object(event.details.clone()).to_string()
    ];
    tx.execute(INSERT, args).await.map(|_| ())
}
