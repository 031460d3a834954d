//! Every SQL line that takes transcripts of people who are being erased. Reads the table of `voice`: whose a session is.

use uuid::Uuid;

use crate::args;
use crate::db::{DbError, Tx};

crate::statements! {
    /// Takes some segments of somebody's sessions.
    EMPTY = "DELETE FROM transcript_segments WHERE (voice_session_id, seq) IN (
        SELECT s.voice_session_id, s.seq FROM voice_sessions v JOIN transcript_segments s ON s.voice_session_id = v.id
        WHERE v.owner_id = $1 LIMIT $2)";
}

/// Takes up to `rows` segments of the sessions of `owner`; false when that was the rest.
pub(super) async fn empty(tx: &mut Tx, owner: Uuid, rows: i64) -> Result<bool, DbError> {
    Ok(i64::try_from(tx.execute(EMPTY, args![owner, rows]).await?).is_ok_and(|taken| taken >= rows))
}
