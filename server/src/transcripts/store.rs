//! Every SQL line about transcripts. Reads the tables of `voice`: whose a session is, until when it goes on, which service was let
//! into it.

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;

use crate::args;
use crate::db::{Db, DbError, Row, Tx, hex};
use crate::time::Timestamp;

crate::statements! {
    /// A voice session, and how far its transcript is.
    FIND = "SELECT v.owner_id, v.ends_at, coalesce(t.position, 0) FROM voice_sessions v
        LEFT JOIN transcripts t ON t.voice_session_id = v.id WHERE v.id = $1";
    /// Whether a service redeemed a join token of a voice session.
    LET_IN = "SELECT id FROM voice_tokens WHERE voice_session_id = $1 AND redeemed_by = $2 LIMIT 1";
    /// Takes $2 positions in the transcript of a session of $3 that goes on or ended after $4. On PostgreSQL nobody else takes any
    /// until the commit.
    TAKE = "INSERT INTO transcripts (voice_session_id, position, last_at)
        SELECT id, $2, $5 FROM voice_sessions WHERE id = $1 AND owner_id = $3 AND ends_at > $4
        ON CONFLICT (voice_session_id) DO UPDATE SET position = transcripts.position + excluded.position, last_at = excluded.last_at
        RETURNING position",
      postgres "INSERT INTO transcripts (voice_session_id, position, last_at)
        SELECT id, $2::bigint, $5::bigint FROM voice_sessions WHERE id = $1 AND owner_id = $3 AND ends_at > $4
        ON CONFLICT (voice_session_id) DO UPDATE SET position = transcripts.position + excluded.position, last_at = excluded.last_at
        RETURNING position";
    /// Counts $2 segments and $3 bytes more of a transcript, unless that is more than $4 segments or $5 bytes.
    GROW = "UPDATE transcripts SET segments = segments + $2, bytes = bytes + $3
        WHERE voice_session_id = $1 AND segments + $2 <= $4 AND bytes + $3 <= $5";
    /// The segments with these numbers ($2 is JSON: [seq, …]).
    HELD = "SELECT seq, position, is_final, start_ms, end_ms, content, received_at FROM transcript_segments
        WHERE voice_session_id = $1 AND seq IN (SELECT value FROM json_each($2))",
      postgres "SELECT seq, position, is_final, start_ms, end_ms, content, received_at FROM transcript_segments
        WHERE voice_session_id = $1 AND seq IN (SELECT value::bigint FROM json_array_elements_text($2::text::json) AS value)";
    /// Writes many segments at once ($2 is JSON: [[seq, position, final, start, end, content], …]); a final one stays as it is.
    PUT = "INSERT INTO transcript_segments (voice_session_id, seq, position, is_final, start_ms, end_ms, content, received_at)
        SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5), $3 FROM json_each($2) WHERE true
        ON CONFLICT (voice_session_id, seq) DO UPDATE SET position = excluded.position, is_final = excluded.is_final,
            start_ms = excluded.start_ms, end_ms = excluded.end_ms, content = excluded.content, received_at = excluded.received_at
        WHERE NOT transcript_segments.is_final",
      postgres "INSERT INTO transcript_segments (voice_session_id, seq, position, is_final, start_ms, end_ms, content, received_at)
        SELECT $1, (value ->> 0)::bigint, (value ->> 1)::bigint, (value ->> 2)::boolean, (value ->> 3)::bigint, (value ->> 4)::bigint,
            decode(value ->> 5, 'hex'), $3::bigint FROM json_array_elements($2::text::json) AS value
        ON CONFLICT (voice_session_id, seq) DO UPDATE SET position = excluded.position, is_final = excluded.is_final,
            start_ms = excluded.start_ms, end_ms = excluded.end_ms, content = excluded.content, received_at = excluded.received_at
        WHERE NOT transcript_segments.is_final";
    /// A page of a transcript, by number.
    LIST = "SELECT seq, position, is_final, start_ms, end_ms, content, received_at FROM transcript_segments
        WHERE voice_session_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    /// The same of what never changes any more.
    LIST_FINAL = "SELECT seq, position, is_final, start_ms, end_ms, content, received_at FROM transcript_segments
        WHERE voice_session_id = $1 AND seq > $2 AND is_final ORDER BY seq LIMIT $3";
    /// How many segments a transcript has; with $2 only those that never change any more.
    COUNT = "SELECT count(*) FROM transcript_segments WHERE voice_session_id = $1 AND (is_final OR NOT $2)",
      postgres "SELECT count(*) FROM transcript_segments WHERE voice_session_id = $1 AND (is_final OR NOT $2::boolean)";
    /// What changed behind a position.
    AFTER = "SELECT seq, position, is_final, start_ms, end_ms, content, received_at FROM transcript_segments
        WHERE voice_session_id = $1 AND position > $2 ORDER BY position LIMIT $3";
    /// The same of many sessions at once ($1 is JSON: [[id, position], …]).
    AFTER_MANY = "SELECT s.seq, s.position, s.is_final, s.start_ms, s.end_ms, s.content, s.received_at, s.voice_session_id
        FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS position FROM json_each($1)) AS n
        JOIN transcript_segments s ON s.voice_session_id = n.id AND s.position > n.position
        ORDER BY s.voice_session_id, s.position LIMIT $2",
      postgres "SELECT s.seq, s.position, s.is_final, s.start_ms, s.end_ms, s.content, s.received_at, s.voice_session_id
        FROM (SELECT (value ->> 0)::uuid AS id, (value ->> 1)::bigint AS position FROM json_array_elements($1::text::json) AS value) AS n
        JOIN transcript_segments s ON s.voice_session_id = n.id AND s.position > n.position
        ORDER BY s.voice_session_id, s.position LIMIT $2";
    /// Until when each of these sessions goes on ($1 is JSON: [id, …]).
    ENDS = "SELECT id, ends_at FROM voice_sessions WHERE id IN (SELECT unhex(value) FROM json_each($1))",
      postgres "SELECT id, ends_at FROM voice_sessions WHERE id IN (SELECT value::uuid FROM json_array_elements_text($1::text::json) AS value)";
    /// Everything that was said in the sessions of a person, behind segment $3 of session $2.
    ALL_OF = "SELECT s.seq, s.position, s.is_final, s.start_ms, s.end_ms, s.content, s.received_at, s.voice_session_id
        FROM voice_sessions v JOIN transcript_segments s ON s.voice_session_id = v.id
        WHERE v.owner_id = $1 AND v.id >= $2 AND (v.id > $2 OR s.seq > $3) ORDER BY v.id, s.seq LIMIT $4";
    /// Deletes some segments of sessions that ended long ago.
    PURGE_SEGMENTS = "DELETE FROM transcript_segments WHERE (voice_session_id, seq) IN (
        SELECT s.voice_session_id, s.seq FROM transcripts t JOIN voice_sessions v ON v.id = t.voice_session_id
        JOIN transcript_segments s ON s.voice_session_id = t.voice_session_id WHERE t.last_at < $1 AND v.ends_at < $1 LIMIT $2)";
    /// Deletes transcripts of which no segment is left.
    PURGE = "DELETE FROM transcripts WHERE voice_session_id IN (
        SELECT t.voice_session_id FROM transcripts t JOIN voice_sessions v ON v.id = t.voice_session_id
        WHERE t.last_at < $1 AND v.ends_at < $1
            AND NOT EXISTS (SELECT 1 FROM transcript_segments s WHERE s.voice_session_id = t.voice_session_id) LIMIT $2)";
}

/// A voice session as far as its transcript is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// The voice session.
    pub id: Uuid,
    /// Whose it is.
    pub owner: Uuid,
    /// When it ends, or ended.
    pub ends_at: Timestamp,
    /// The highest position that was given in its transcript.
    pub position: i64,
}

/// A segment as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub seq: i64,
    pub position: i64,
    pub is_final: bool,
    pub start_ms: i64,
    pub end_ms: i64,
    /// Sealed.
    pub content: Vec<u8>,
    pub received_at: Timestamp,
}

fn stored(row: &Row) -> Result<Stored, DbError> {
    Ok(Stored {
        seq: row.get(0)?,
        position: row.get(1)?,
        is_final: row.get(2)?,
        start_ms: row.get(3)?,
        end_ms: row.get(4)?,
        content: row.get(5)?,
        received_at: row.get(6)?,
    })
}

fn json_text(value: &serde_json::Value) -> String {
    value.to_string()
}

/// The voice session `id`, whoever owns it.
pub(super) async fn find(db: &Db, id: Uuid) -> Result<Option<Session>, DbError> {
    let row = db.query_opt(FIND, args![id]).await?;
    row.map(|row| Ok(Session { id, owner: row.get(0)?, ends_at: row.get(1)?, position: row.get(2)? })).transpose()
}

/// Whether `client` was let into the voice session by a token of it.
pub(super) async fn was_let_in(db: &Db, session: Uuid, client: Uuid) -> Result<bool, DbError> {
    Ok(db.query_opt(LET_IN, args![session, client]).await?.is_some())
}

/// Takes `count` positions and returns the last of them; `None` when the session of `owner` is not there or ended at `open_after` or
/// before.
pub(super) async fn take(
    tx: &mut Tx,
    session: Uuid,
    owner: Uuid,
    count: i64,
    open_after: Timestamp,
    now: Timestamp,
) -> Result<Option<i64>, DbError> {
    tx.query_opt(TAKE, args![session, count, owner, open_after, now]).await?.map(|row| row.get(0)).transpose()
}

/// By how much a transcript grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    /// Segments that were not there.
    pub segments: i64,
    /// Bytes of sealed content; less than none when shorter ones take the place of longer ones.
    pub bytes: i64,
}

/// Counts what comes to the transcript of `session`, of which positions were taken; false when it would be more than `most`.
pub(super) async fn grow(tx: &mut Tx, session: Uuid, more: Growth, most: Growth) -> Result<bool, DbError> {
    Ok(tx.execute(GROW, args![session, more.segments, more.bytes, most.segments, most.bytes]).await? == 1)
}

/// What is stored under these numbers.
pub(super) async fn held(tx: &mut Tx, session: Uuid, seqs: &[i64]) -> Result<Vec<Stored>, DbError> {
    tx.query(HELD, args![session, json_text(&json!(seqs))]).await?.iter().map(stored).collect()
}

/// Writes segments, each at its position; how many. What is final already is not counted and stays.
pub(super) async fn put<'s>(
    tx: &mut Tx,
    session: Uuid,
    segments: impl Iterator<Item = (i64, &'s Stored)>,
    now: Timestamp,
) -> Result<u64, DbError> {
    let row = |(position, s): (i64, &Stored)| json!([s.seq, position, s.is_final, s.start_ms, s.end_ms, hex(&s.content)]);
    let rows = serde_json::Value::Array(segments.map(row).collect());
    tx.execute(PUT, args![session, json_text(&rows), now]).await
}

/// Up to `rows` segments with higher numbers than `after`, in their order.
pub(super) async fn list(db: &Db, session: Uuid, final_only: bool, after: i64, rows: i64) -> Result<Vec<Stored>, DbError> {
    let sql = if final_only { LIST_FINAL } else { LIST };
    db.query(sql, args![session, after, rows]).await?.iter().map(stored).collect()
}

/// How many segments the transcript of `session` has.
pub(super) async fn count(db: &Db, session: Uuid, final_only: bool) -> Result<u64, DbError> {
    db.query_opt(COUNT, args![session, final_only]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Up to `rows` segments that changed behind `position`, in the order of their changes.
pub(super) async fn after(db: &Db, session: Uuid, position: i64, rows: i64) -> Result<Vec<Stored>, DbError> {
    db.query(AFTER, args![session, position, rows]).await?.iter().map(stored).collect()
}

/// The same of many sessions, each behind a position of its own; up to `rows` in all, one session after the other.
pub(super) async fn after_many(db: &Db, heads: &[(Uuid, i64)], rows: i64) -> Result<Vec<(Uuid, Stored)>, DbError> {
    let heads: Vec<_> = heads.iter().map(|(id, position)| json!([id.simple().to_string(), position])).collect();
    let found = db.query(AFTER_MANY, args![json_text(&json!(heads)), rows]).await?;
    found.iter().map(|row| Ok((row.get(7)?, stored(row)?))).collect()
}

/// Up to `rows` segments of the sessions of `owner`, behind the segment `seq` of `session`: one session after the other, each by number.
pub(super) async fn all_of(db: &Db, owner: Uuid, session: Uuid, seq: i64, rows: i64) -> Result<Vec<(Uuid, Stored)>, DbError> {
    let found = db.query(ALL_OF, args![owner, session, seq, rows]).await?;
    found.iter().map(|row| Ok((row.get(7)?, stored(row)?))).collect()
}

/// Until when each of `sessions` that is there goes on.
pub(super) async fn ends(db: &Db, sessions: &[Uuid]) -> Result<HashMap<Uuid, Timestamp>, DbError> {
    let ids: Vec<_> = sessions.iter().map(|id| id.simple().to_string()).collect();
    db.query(ENDS, args![json_text(&json!(ids))]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Deletes up to `batch` segments of sessions that ended before `before`, and what is left of their transcripts; how many segments.
pub(super) async fn purge(tx: &mut Tx, before: Timestamp, batch: u32) -> Result<u64, DbError> {
    let segments = tx.execute(PURGE_SEGMENTS, args![before, batch]).await?;
    tx.execute(PURGE, args![before, batch]).await?;
    Ok(segments)
}
