//! Counting in the tables of others, each by an index.

use crate::args;
use crate::audit::Action;
use crate::db::{Db, DbError};
use crate::time::Timestamp;

crate::statements! {
    /// People by the state of their account.
    COUNT_PEOPLE = "SELECT status, count(*) FROM users GROUP BY status";
    /// Sessions that go on; those that lie further back than a session lives are not looked at.
    COUNT_OPEN_SESSIONS = "SELECT count(*) FROM sessions
        WHERE expires_at > $1 AND ended_at IS NULL AND refresh_expires_at > $1 AND idle_expires_at > $1";
    /// Acts of one kind since an event of this id.
    COUNT_ACTS = "SELECT (SELECT count(*) FROM audit_events WHERE action = $1 AND id >= $2 AND seq IS NOT NULL)
        + (SELECT count(*) FROM audit_events WHERE action = $1 AND id >= $2 AND seq IS NULL)";
}

/// How many accounts are in each state, by the word that is stored.
pub(super) async fn people(db: &Db) -> Result<Vec<(String, i64)>, DbError> {
    db.query(COUNT_PEOPLE, args![]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// How many sessions go on at `now`.
pub(super) async fn open_sessions(db: &Db, now: Timestamp) -> Result<i64, DbError> {
    db.query_opt(COUNT_OPEN_SESSIONS, args![now]).await?.map_or(Ok(0), |row| row.get(0))
}

/// How often `action` happened since `since`.
pub(super) async fn acts(db: &Db, action: Action, since: Timestamp) -> Result<i64, DbError> {
    db.query_opt(COUNT_ACTS, args![action.0, since.lowest_id()]).await?.map_or(Ok(0), |row| row.get(0))
}
