//! The SQL of sessions in which an administrator acts as somebody else.

use uuid::Uuid;

use super::EndReason;
use super::store::{Ended, ended};
use crate::args;
use crate::db::{Db, DbError, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// Ends what an administrator opened from one session of theirs.
    END_FROM = "UPDATE sessions SET ended_at = $3, end_reason = $4 WHERE impersonator_id = $1 AND parent_id = $2 AND ended_at IS NULL
        RETURNING id, client_id, user_id";
    /// Ends what an administrator opened from any session of theirs but one.
    END_FROM_OTHERS = "UPDATE sessions SET ended_at = $3, end_reason = $4 WHERE impersonator_id = $1 AND parent_id <> $2 AND ended_at IS NULL
        RETURNING id, client_id, user_id";
    /// Who acts as whom at the moment.
    OPEN = "SELECT id, user_id, impersonator_id FROM sessions
        WHERE impersonator_id IS NOT NULL AND ended_at IS NULL AND expires_at > $1 ORDER BY id LIMIT 1000";
}

/// Ends what `admin` opened from their session `parent`.
pub(super) async fn end_from(tx: &mut Tx, admin: Uuid, parent: Uuid, now: Timestamp) -> Result<Vec<Ended>, DbError> {
    ended(&tx.query(END_FROM, args![admin, parent, now, EndReason::ImpersonatorGone.as_str()]).await?)
}

/// Ends what `admin` opened from sessions of theirs other than `keep`.
pub(super) async fn end_from_others(tx: &mut Tx, admin: Uuid, keep: Uuid, now: Timestamp) -> Result<Vec<Ended>, DbError> {
    ended(&tx.query(END_FROM_OTHERS, args![admin, keep, now, EndReason::ImpersonatorGone.as_str()]).await?)
}

/// Sessions in which somebody acts as another person: the session, the person, the administrator.
pub(super) async fn open(db: &Db, now: Timestamp) -> Result<Vec<(Uuid, Uuid, Uuid)>, DbError> {
    db.query(OPEN, args![now]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}
