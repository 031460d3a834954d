//! Every SQL line about audit events.

use serde_json::Value as Json;
use uuid::Uuid;

use super::chain::{Hash, Link, Recorded};
use super::event::{Actor, Event};
use super::search::Filter;
use crate::args;
use crate::db::{Db, DbError, Row, Sql, Tx, hex};

crate::statements! {
    /// A new event.
    INSERT = "INSERT INTO audit_events (id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    /// Whether any event has no place yet.
    HAS_UNSEALED = "SELECT id FROM audit_events WHERE seq IS NULL LIMIT 1";
    /// The last link.
    HEAD = "SELECT seq, hash FROM audit_events WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1";
    /// What has no place yet, oldest first.
    ///
    /// SQLite is told which index: left to itself it looks up `seq IS NULL` by the place and sorts all that wait, for each batch.
    UNSEALED = "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details
        FROM audit_events INDEXED BY audit_events_unsealed WHERE seq IS NULL ORDER BY at, id LIMIT $1",
      postgres "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details
        FROM audit_events WHERE seq IS NULL ORDER BY at, id LIMIT $1";
    /// Gives many events their place ($1 is JSON: [[id, seq, previous hash, hash], …]), those that have none.
    ///
    /// The plus keeps SQLite from reading all that wait, once per link.
    LINK = "UPDATE audit_events SET seq = n.seq, previous_hash = n.previous, hash = n.hash
        FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS seq, unhex(value ->> 2) AS previous, unhex(value ->> 3) AS hash FROM json_each($1)) AS n
        WHERE audit_events.id = n.id AND +audit_events.seq IS NULL",
      postgres "UPDATE audit_events SET seq = n.seq, previous_hash = n.previous, hash = n.hash
        FROM (SELECT (value ->> 0)::uuid AS id, (value ->> 1)::bigint AS seq, decode(value ->> 2, 'hex') AS previous, decode(value ->> 3, 'hex') AS hash
            FROM json_array_elements($1::text::json)) AS n
        WHERE audit_events.id = n.id AND audit_events.seq IS NULL";
    /// A page of the chain.
    LINKS = "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT $2";
    /// How many pass a filter.
    COUNT = "SELECT count(*) FROM audit_events WHERE id < $1 AND id >= $2 AND at >= $3 AND at < $4 AND (outcome = $5 OR $5 = '')
        AND (actor_id = $6 OR $7) AND (target_id = $8 OR $9) AND (action = $10 OR $10 = '')";
    /// Events that a person caused or that were done to them, oldest first; either half by its own index, and what waits for its place.
    ABOUT = "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM (SELECT * FROM (SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
                FROM audit_events WHERE actor_id = $1 AND seq IS NOT NULL AND id > $2 ORDER BY id LIMIT $3) AS caused
            UNION SELECT * FROM (SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
                FROM audit_events WHERE target_id = $1 AND seq IS NOT NULL AND id > $2 ORDER BY id LIMIT $3) AS suffered
            UNION SELECT * FROM (SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
                FROM audit_events WHERE (actor_id = $1 OR target_id = $1) AND seq IS NULL AND id > $2 ORDER BY id LIMIT $3) AS waiting) AS about
        ORDER BY id LIMIT $3";
    /// Events of all kinds, newest first.
    SEARCH = "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM audit_events
        WHERE id < $1 AND id >= $2 AND at >= $3 AND at < $4 AND (outcome = $5 OR $5 = '')
        ORDER BY id DESC LIMIT $6";
    /// Those that were refused, by an index of their own.
    SEARCH_DENIED = "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM audit_events
        WHERE outcome = 'denied' AND id < $1 AND id >= $2 AND at >= $3 AND at < $4 AND $5 = 'denied'
        ORDER BY id DESC LIMIT $6";
    /// Those of one actor. This index and the two below hold what is sealed; the little that waits for its place is looked through.
    SEARCH_ACTOR = "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM audit_events
        WHERE actor_id = $7 AND seq IS NOT NULL AND id < $1 AND id >= $2 AND at >= $3 AND at < $4 AND (outcome = $5 OR $5 = '')
            AND (action = $8 OR $8 = '') AND (target_id = $9 OR $10)
        UNION ALL SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM audit_events
        WHERE actor_id = $7 AND seq IS NULL AND id < $1 AND id >= $2 AND at >= $3 AND at < $4 AND (outcome = $5 OR $5 = '')
            AND (action = $8 OR $8 = '') AND (target_id = $9 OR $10)
        ORDER BY id DESC LIMIT $6";
    /// Those on one target.
    SEARCH_TARGET = "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM audit_events
        WHERE target_id = $7 AND seq IS NOT NULL AND id < $1 AND id >= $2 AND at >= $3 AND at < $4 AND (outcome = $5 OR $5 = '') AND (action = $8 OR $8 = '')
        UNION ALL SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM audit_events
        WHERE target_id = $7 AND seq IS NULL AND id < $1 AND id >= $2 AND at >= $3 AND at < $4 AND (outcome = $5 OR $5 = '') AND (action = $8 OR $8 = '')
        ORDER BY id DESC LIMIT $6";
    /// Those of one act.
    SEARCH_ACTION = "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM audit_events
        WHERE action = $7 AND seq IS NOT NULL AND id < $1 AND id >= $2 AND at >= $3 AND at < $4 AND (outcome = $5 OR $5 = '')
        UNION ALL SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details,
            seq, previous_hash, hash
        FROM audit_events
        WHERE action = $7 AND seq IS NULL AND id < $1 AND id >= $2 AND at >= $3 AND at < $4 AND (outcome = $5 OR $5 = '')
        ORDER BY id DESC LIMIT $6";
}

/// Writes `event` in the transaction of the act it tells of.
pub async fn record(tx: &mut Tx, event: &Event) -> Result<(), DbError> {
    let (actor_type, actor_id) = match event.actor {
        Actor::User(id) => ("user", Some(id)),
        Actor::Client(id) => ("client", Some(id)),
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

/// A row as it stands there. What somebody wrote by hand may be of another type than the column: then it is read as something that
/// no event ever had, so that the row is found to be altered instead of stopping whoever verifies.
fn recorded(row: &Row) -> Result<Recorded, DbError> {
    let text = |index| row.get::<String>(index).unwrap_or_default();
    let id = |index| row.get::<Option<Uuid>>(index).unwrap_or(Some(Uuid::nil()));
    Ok(Recorded {
        id: row.get(0)?,
        at: row.get(1).unwrap_or_default(),
        actor_type: text(2),
        actor: id(3),
        action: text(4),
        target_type: text(5),
        target: id(6),
        outcome: text(7),
        sealed_for: id(8),
        origin: row.get(9).unwrap_or_default(),
        request_id: row.get(10).unwrap_or_default(),
        details: text(11),
    })
}

/// What somebody wrote by hand may be no hash at all; then there is none.
fn hash_of(row: &Row, index: usize) -> Result<Option<Hash>, DbError> {
    Ok(row.get::<Option<Vec<u8>>>(index).unwrap_or_default().and_then(|bytes| Hash::try_from(bytes).ok()))
}

fn link_of(row: &Row) -> Result<Link, DbError> {
    let seq = row.get::<Option<i64>>(12).unwrap_or_default().unwrap_or(0);
    Ok(Link { event: recorded(row)?, seq, previous: hash_of(row, 13)?, hash: hash_of(row, 14)? })
}

/// Whether any event waits for its place.
pub(super) async fn has_unsealed(db: &Db) -> Result<bool, DbError> {
    Ok(db.query_opt(HAS_UNSEALED, args![]).await?.is_some())
}

/// The last place and its hash.
pub(super) async fn head(tx: &mut Tx) -> Result<Option<(i64, Hash)>, DbError> {
    let row = tx.query_opt(HEAD, args![]).await?;
    row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

/// The same for those who only look: what somebody wrote by hand may be no hash at all.
pub(super) async fn loose_head(tx: &mut Tx) -> Result<Option<(i64, Option<Hash>)>, DbError> {
    let row = tx.query_opt(HEAD, args![]).await?;
    row.map(|row| Ok((row.get(0)?, hash_of(&row, 1)?))).transpose()
}

/// Up to `rows` events without a place.
pub(super) async fn unsealed(tx: &mut Tx, rows: usize) -> Result<Vec<Recorded>, DbError> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    tx.query(UNSEALED, args![rows]).await?.iter().map(recorded).collect()
}

/// Writes the places of events that have none; how many had none.
pub(super) async fn link(tx: &mut Tx, links: &[Link]) -> Result<usize, DbError> {
    let rows: Vec<_> = links
        .iter()
        .map(|link| {
            let hex = |hash: &Option<Hash>| hash.as_ref().map(|hash| hex(hash));
            (link.event.id.simple().to_string(), link.seq, hex(&link.previous), hex(&link.hash))
        })
        .collect();
    let json = serde_json::to_string(&rows).map_err(|error| DbError::Other(error.to_string()))?;
    Ok(usize::try_from(tx.execute(LINK, args![json]).await?).unwrap_or(usize::MAX))
}

/// Up to `rows` sealed events behind the place `after`.
pub(super) async fn links_after(db: &Db, after: i64, rows: i64) -> Result<Vec<Link>, DbError> {
    db.query(LINKS, args![after, rows]).await?.iter().map(link_of).collect()
}

/// How many events pass `filter`.
pub(super) async fn count(db: &Db, filter: &Filter) -> Result<u64, DbError> {
    let args = args![
        filter.highest_id(),
        filter.lowest_id(),
        filter.from,
        filter.to,
        filter.outcome.unwrap_or(""),
        filter.actor.unwrap_or_default(),
        filter.actor.is_none(),
        filter.target.unwrap_or_default(),
        filter.target.is_none(),
        filter.action.clone().unwrap_or_default()
    ];
    db.query_opt(COUNT, args).await?.map_or(Ok(0), |row| row.get(0))
}

/// Up to `rows` events by or on `person` behind the event `after`, oldest first.
pub(super) async fn about(db: &Db, person: Uuid, after: Uuid, rows: i64) -> Result<Vec<Link>, DbError> {
    db.query(ABOUT, args![person, after, rows]).await?.iter().map(link_of).collect()
}

/// Up to `rows` events that pass `filter` and are older than `before`, newest first; by the narrowest index there is.
pub(super) async fn search(db: &Db, filter: &Filter, before: Uuid, rows: i64) -> Result<Vec<Link>, DbError> {
    let outcome = filter.outcome.unwrap_or("");
    let mut args = args![before, filter.lowest_id(), filter.from, filter.to, outcome, rows];
    let action = filter.action.clone().unwrap_or_default();
    let statement: Sql = match (filter.actor, filter.target) {
        (Some(actor), target) => {
            args.extend(args![actor, action, target.unwrap_or_default(), target.is_none()]);
            SEARCH_ACTOR
        }
        (None, Some(target)) => {
            args.extend(args![target, action]);
            SEARCH_TARGET
        }
        (None, None) if !action.is_empty() => {
            args.extend(args![action]);
            SEARCH_ACTION
        }
        (None, None) if outcome == "denied" => SEARCH_DENIED,
        (None, None) => SEARCH,
    };
    db.query(statement, args).await?.iter().map(link_of).collect()
}
