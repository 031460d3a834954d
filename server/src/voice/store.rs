//! Stand-in.
use std::time::Duration;
use uuid::Uuid;
use crate::args;
use crate::db::{DbError, Tx};
use crate::time::Timestamp;
crate::statements! {
    /// One of a person's sessions.
    FIND = "SELECT id, title, language, created_at, last_active_at, ends_at, end_reason FROM voice_sessions WHERE id = $1 AND owner_id = $2";
    /// Uses a session that goes on; whoever comes too late does not get the row. A clock that is behind moves nothing back.
    USE = "UPDATE voice_sessions SET last_active_at = max(last_active_at, $3), ends_at = max(ends_at, $4)
        WHERE id = $1 AND owner_id = $2 AND end_reason IS NULL AND ends_at > $3",
      postgres "UPDATE voice_sessions SET last_active_at = greatest(last_active_at, $3), ends_at = greatest(ends_at, $4)
        WHERE id = $1 AND owner_id = $2 AND end_reason IS NULL AND ends_at > $3";
}
/// x
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// x
    Active,
    /// x
    Over,
    /// x
    Unknown,
}
/// x
pub async fn own_active(tx: &mut Tx, id: Uuid, owner: Uuid, idle: Duration, now: Timestamp) -> Result<Standing, DbError> {
    if tx.execute(USE, args![id, owner, now, now.plus(idle)]).await? == 1 {
        return Ok(Standing::Active);
    }
    Ok(if tx.query_opt(FIND, args![id, owner]).await?.is_some() { Standing::Over } else { Standing::Unknown })
}
