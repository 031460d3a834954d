//! Every SQL line about sessions.

use uuid::Uuid;

use super::authorization::{Authorization, ShownKey};
use super::impersonation_store as impersonations;
use super::token::RefreshToken;
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// A new session.
    INSERT = "INSERT INTO sessions (id, user_id, client_id, salt, generation, seen_generation, created_at, rotated_at, last_active_at,
            refresh_expires_at, idle_expires_at, expires_at, ip, user_agent, scope, resources, auth_time, amr, dpop_jkt, parent_id, impersonator_id)
        VALUES ($1, $2, $3, $4, 0, 0, $5, $5, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    /// The whole rotation: whoever gets the row has rotated it, everybody else has not.
    ROTATE = "UPDATE sessions SET generation = generation + 1, rotated_at = $4, last_active_at = $4, refresh_expires_at = $5, idle_expires_at = $6,
            dpop_jkt = COALESCE(dpop_jkt, $9)
        WHERE id = $1 AND generation = $2 AND salt = $3 AND client_id = $7 AND (dpop_jkt IS NULL OR dpop_jkt = $8) AND ended_at IS NULL
            AND refresh_expires_at > $4 AND idle_expires_at > $4 AND expires_at > $4
        RETURNING id, user_id, client_id, salt, generation, seen_generation, created_at, rotated_at, last_active_at,
            refresh_expires_at, idle_expires_at, expires_at, ended_at, end_reason,
            scope, resources, auth_time, amr, dpop_jkt, parent_id, impersonator_id";
    /// The current refresh token is handed out again after its window.
    REISSUE = "UPDATE sessions SET rotated_at = $3 WHERE id = $1 AND generation = $2 AND rotated_at < $3 AND ended_at IS NULL";
    /// One session, without its sealed columns.
    FIND = "SELECT id, user_id, client_id, salt, generation, seen_generation, created_at, rotated_at, last_active_at,
            refresh_expires_at, idle_expires_at, expires_at, ended_at, end_reason,
            scope, resources, auth_time, amr, dpop_jkt, parent_id, impersonator_id
        FROM sessions WHERE id = $1";
    /// The device columns of one session.
    FIND_DEVICE = "SELECT ip, user_agent FROM sessions WHERE id = $1";
    /// A page of a person's open sessions, newest first.
    LIST = "SELECT id, user_id, client_id, salt, generation, seen_generation, created_at, rotated_at, last_active_at,
            refresh_expires_at, idle_expires_at, expires_at, ended_at, end_reason,
            scope, resources, auth_time, amr, dpop_jkt, parent_id, impersonator_id, ip, user_agent
        FROM sessions
        WHERE user_id = $1 AND ended_at IS NULL AND refresh_expires_at > $2 AND idle_expires_at > $2 AND expires_at > $2
            AND id < $3
        ORDER BY id DESC LIMIT $4";
    /// A page of all of a person's sessions, ended ones too, newest first.
    ALL_OF = "SELECT id, user_id, client_id, salt, generation, seen_generation, created_at, rotated_at, last_active_at,
            refresh_expires_at, idle_expires_at, expires_at, ended_at, end_reason,
            scope, resources, auth_time, amr, dpop_jkt, parent_id, impersonator_id, ip, user_agent
        FROM sessions WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    /// Moves the idle end, and that of the refresh token, without which the session could not go on.
    EXTEND = "UPDATE sessions SET idle_expires_at = $2, last_active_at = $3, refresh_expires_at = $4
        WHERE id = $1 AND ended_at IS NULL AND expires_at > $3
        RETURNING id, user_id, client_id, salt, generation, seen_generation, created_at, rotated_at, last_active_at,
            refresh_expires_at, idle_expires_at, expires_at, ended_at, end_reason,
            scope, resources, auth_time, amr, dpop_jkt, parent_id, impersonator_id";
    /// Whether a session goes on; on PostgreSQL nobody ends it until the commit.
    HOLD = "SELECT id FROM sessions WHERE id = $1 AND ended_at IS NULL",
      postgres "SELECT id FROM sessions WHERE id = $1 AND ended_at IS NULL FOR SHARE";
    /// Waits for whoever begins something from a person's sessions at this moment, so that what they begin is seen and ended, too.
    AWAIT = "SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL ORDER BY id",
      postgres "SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL ORDER BY id FOR UPDATE";
    /// The same for one of them.
    AWAIT_ONE = "SELECT id FROM sessions WHERE id = $1 AND ended_at IS NULL",
      postgres "SELECT id FROM sessions WHERE id = $1 AND ended_at IS NULL FOR UPDATE";
    /// Ends one session of a person, and those that were authorised from it, but what was granted to go on without the person.
    END_ONE = "UPDATE sessions SET ended_at = $3, end_reason = $4
        WHERE user_id = $2 AND ended_at IS NULL AND (id = $1
            OR (parent_id = $1 AND replace(' ' || coalesce(scope, '') || ' ', ' offline_access ', '') = ' ' || coalesce(scope, '') || ' '))
        RETURNING id, client_id, user_id";
    /// Ends a person's sessions, but the one given.
    END_OTHERS = "UPDATE sessions SET ended_at = $3, end_reason = $4 WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL RETURNING id, client_id, user_id";
    /// Ends a person's sessions of one client.
    END_OF_CLIENT = "UPDATE sessions SET ended_at = $3, end_reason = $4 WHERE user_id = $1 AND client_id = $2 AND ended_at IS NULL
        RETURNING id, client_id, user_id";
    /// What was ended since.
    ENDED_SINCE = "SELECT id, ended_at FROM sessions WHERE ended_at > $1";
    /// Forgets sessions that were ended before.
    PURGE_ENDED = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)";
    /// Forgets those that ran out before without being ended.
    PURGE_EXPIRED = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    /// What activity moved, for many sessions at once ($1 is JSON: [[id, at, idle end, seen generation], …]);
    /// the newest value wins whatever the order.
    TOUCH = "UPDATE sessions SET last_active_at = max(last_active_at, n.at), idle_expires_at = max(idle_expires_at, n.idle),
            seen_generation = max(seen_generation, n.seen)
        FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS at, value ->> 2 AS idle, value ->> 3 AS seen FROM json_each($1)) AS n
        WHERE sessions.id = n.id AND ended_at IS NULL",
      postgres "UPDATE sessions SET last_active_at = greatest(last_active_at, n.at), idle_expires_at = greatest(idle_expires_at, n.idle),
            seen_generation = greatest(seen_generation, n.seen)
        FROM (SELECT (value ->> 0)::uuid AS id, (value ->> 1)::bigint AS at, (value ->> 2)::bigint AS idle, (value ->> 3)::bigint AS seen
            FROM json_array_elements($1::text::json)) AS n
        WHERE sessions.id = n.id AND ended_at IS NULL";
    /// Takes some sessions of a person that have ended.
    EMPTY = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NOT NULL LIMIT $2)";
}

/// Takes up to `rows` sessions of `user` that have ended; false when those were the rest.
pub(super) async fn empty(tx: &mut Tx, user: Uuid, rows: i64) -> Result<bool, DbError> {
    Ok(i64::try_from(tx.execute(EMPTY, args![user, rows]).await?).is_ok_and(|taken| taken >= rows))
}

/// A session as the store has it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The session's id.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// What it is good for, and through which client.
    pub authorization: Authorization,
    /// 256 random bits that every refresh token of this session is bound to.
    pub salt: [u8; 32],
    /// The current refresh generation.
    pub generation: i64,
    /// The newest generation of which a token was presented.
    pub seen_generation: i64,
    /// Start.
    pub created_at: Timestamp,
    /// Last rotation, or start.
    pub rotated_at: Timestamp,
    /// Last use that was written down.
    pub last_active_at: Timestamp,
    /// End of the current refresh token.
    pub refresh_expires_at: Timestamp,
    /// End unless used.
    pub idle_expires_at: Timestamp,
    /// End whatever happens.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// Why it was ended.
    pub end_reason: Option<String>,
}

/// The sealed address and user agent.
#[derive(Clone, Debug, Default)]
pub struct SealedDevice {
    /// The address.
    pub ip: Option<Vec<u8>>,
    /// The user agent.
    pub user_agent: Option<Vec<u8>>,
}

fn words(list: Option<String>) -> Vec<String> {
    list.iter().flat_map(|list| list.split_ascii_whitespace()).map(str::to_owned).collect()
}

/// A list as the store has it; none for an empty one.
fn list_of(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.join(" "))
}

fn session(row: &Row) -> Result<Session, DbError> {
    Ok(Session {
        id: row.get(0)?,
        user: row.get(1)?,
        salt: row.get(3)?,
        generation: row.get(4)?,
        seen_generation: row.get(5)?,
        created_at: row.get(6)?,
        rotated_at: row.get(7)?,
        last_active_at: row.get(8)?,
        refresh_expires_at: row.get(9)?,
        idle_expires_at: row.get(10)?,
        expires_at: row.get(11)?,
        ended_at: row.get(12)?,
        end_reason: row.get(13)?,
        authorization: Authorization {
            client: row.get(2)?,
            scopes: words(row.get(14)?),
            resources: words(row.get(15)?),
            auth_time: row.get::<Option<Timestamp>>(16)?.map_or_else(|| row.get(6), Ok)?,
            amr: words(row.get(17)?),
            jkt: row.get(18)?,
            parent: row.get(19)?,
            impersonator: row.get(20)?,
        },
    })
}

/// Writes a new session at generation 0.
pub async fn insert(tx: &mut Tx, new: &Session, device: &SealedDevice) -> Result<(), DbError> {
    let granted = &new.authorization;
    let args = args![
        new.id,
        new.user,
        granted.client.clone(),
        new.salt,
        new.created_at,
        new.refresh_expires_at,
        new.idle_expires_at,
        new.expires_at,
        device.ip.clone(),
        device.user_agent.clone(),
        list_of(&granted.scopes),
        list_of(&granted.resources),
        granted.auth_time,
        list_of(&granted.amr),
        granted.jkt.clone(),
        granted.parent,
        granted.impersonator
    ];
    tx.execute(INSERT, args).await.map(|_| ())
}

/// Rotates a session of `client` if it still stands at the token's generation and is bound to no key but the one that was shown;
/// `None` when it does not, or is over.
pub async fn rotate(
    db: &Db,
    client: &str,
    token: &RefreshToken,
    key: ShownKey<'_>,
    now: Timestamp,
    refresh_expires_at: Timestamp,
    idle_expires_at: Timestamp,
) -> Result<Option<Session>, DbError> {
    let (client, jkt) = (client.to_owned(), key.jkt.map(str::to_owned));
    let binds = jkt.clone().filter(|_| key.binds);
    let args = args![token.session, token.generation, token.salt, now, refresh_expires_at, idle_expires_at, client, jkt, binds];
    let (rows, _) = db.write_one(ROTATE, args).await?;
    rows.first().map(session).transpose()
}

/// Starts the window of the current refresh token anew, unless it was rotated meanwhile.
pub async fn reissue(db: &Db, id: Uuid, generation: i64, now: Timestamp) -> Result<(), DbError> {
    db.write_one(REISSUE, args![id, generation, now]).await.map(|_| ())
}

/// One session, ended or not.
pub async fn find(db: &Db, id: Uuid) -> Result<Option<Session>, DbError> {
    db.query_opt(FIND, args![id]).await?.as_ref().map(session).transpose()
}

/// One session's device.
pub async fn find_device_of(db: &Db, id: Uuid) -> Result<SealedDevice, DbError> {
    let row = db.query_opt(FIND_DEVICE, args![id]).await?;
    row.map_or_else(|| Ok(SealedDevice::default()), |row| Ok(SealedDevice { ip: row.get(0)?, user_agent: row.get(1)? }))
}

/// Up to `rows` open sessions of `user` older than `before`, newest first.
pub async fn list(db: &Db, user: Uuid, now: Timestamp, before: Option<Uuid>, rows: i64) -> Result<Vec<(Session, SealedDevice)>, DbError> {
    let before = before.unwrap_or(Uuid::max());
    let rows = db.query(LIST, args![user, now, before, rows]).await?;
    rows.iter().map(|row| Ok((session(row)?, SealedDevice { ip: row.get(21)?, user_agent: row.get(22)? }))).collect()
}

/// Up to `rows` sessions of `user` older than `before`, whether or not they have ended, newest first.
pub(super) async fn all_of(db: &Db, user: Uuid, before: Option<Uuid>, rows: i64) -> Result<Vec<(Session, SealedDevice)>, DbError> {
    let rows = db.query(ALL_OF, args![user, before.unwrap_or(Uuid::max()), rows]).await?;
    rows.iter().map(|row| Ok((session(row)?, SealedDevice { ip: row.get(21)?, user_agent: row.get(22)? }))).collect()
}

/// Moves the ends of an open session, but the absolute one.
pub async fn extend(
    db: &Db,
    id: Uuid,
    now: Timestamp,
    refresh_expires_at: Timestamp,
    idle_expires_at: Timestamp,
) -> Result<Option<Session>, DbError> {
    let (rows, _) = db.write_one(EXTEND, args![id, idle_expires_at, now, refresh_expires_at]).await?;
    rows.first().map(session).transpose()
}

/// A session that was ended, and whose it was.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The session.
    pub id: Uuid,
    /// Its client.
    pub client: String,
    /// Its person.
    pub user: Uuid,
    /// The session that was ended: this one, or the one at whose end it ended as well. What the audit trail calls the cause.
    pub cause: Uuid,
}

/// Whether the session goes on; true holds until `tx` ends.
pub async fn hold(tx: &mut Tx, id: Uuid) -> Result<bool, DbError> {
    Ok(tx.query_opt(HOLD, args![id]).await?.is_some())
}

/// Ends one open session of `user` with those that were authorised from it, and those in which they act as others from there.
pub async fn end_one(tx: &mut Tx, id: Uuid, user: Uuid, now: Timestamp, reason: &'static str) -> Result<Vec<Ended>, DbError> {
    tx.query(AWAIT_ONE, args![id]).await?;
    let mut all = ended(&tx.query(END_ONE, args![id, user, now, reason]).await?)?;
    all.extend(impersonations::end_from(tx, user, id, now).await?);
    all.iter_mut().for_each(|one| one.cause = id);
    Ok(all)
}

/// Ends all open sessions of `user` but `keep`, and those in which they act as others but from there.
pub async fn end_others(tx: &mut Tx, user: Uuid, keep: Uuid, now: Timestamp, reason: &'static str) -> Result<Vec<Ended>, DbError> {
    tx.query(AWAIT, args![user]).await?;
    let mut all = ended(&tx.query(END_OTHERS, args![user, keep, now, reason]).await?)?;
    all.extend(impersonations::end_from_others(tx, user, keep, now).await?);
    Ok(all)
}

/// Ends all open sessions of `user` through `client`.
pub async fn end_of_client(tx: &mut Tx, user: Uuid, client: &str, now: Timestamp, reason: &'static str) -> Result<Vec<Ended>, DbError> {
    tx.query(AWAIT, args![user]).await?;
    ended(&tx.query(END_OF_CLIENT, args![user, client.to_owned(), now, reason]).await?)
}

pub(super) fn ended(rows: &[Row]) -> Result<Vec<Ended>, DbError> {
    rows.iter().map(|row| Ok(Ended { id: row.get(0)?, client: row.get(1)?, user: row.get(2)?, cause: row.get(0)? })).collect()
}

/// Sessions ended after `since`, with when.
pub async fn ended_since(db: &Db, since: Timestamp) -> Result<Vec<(Uuid, Timestamp)>, DbError> {
    let rows = db.query(ENDED_SINCE, args![since]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Forgets up to `rows` of each that were ended, or ran out, before `before`; how many.
pub(super) async fn purge(tx: &mut Tx, before: Timestamp, rows: i64) -> Result<u64, DbError> {
    let ended = tx.execute(PURGE_ENDED, args![before, rows]).await?;
    Ok(ended + tx.execute(PURGE_EXPIRED, args![before, rows]).await?)
}

/// Writes down many sessions' activity: (session, last use, idle end, newest generation seen).
pub async fn touch(tx: &mut Tx, notes: &[(Uuid, Timestamp, Timestamp, i64)]) -> Result<u64, DbError> {
    let rows: Vec<_> =
        notes.iter().map(|(id, at, idle, seen)| (id.simple().to_string(), at.as_micros(), idle.as_micros(), *seen)).collect();
    let json = serde_json::to_string(&rows).map_err(|error| DbError::Other(error.to_string()))?;
    tx.execute(TOUCH, args![json]).await
}
