//! Every SQL line about devices that ask to be signed in. Reads `sessions`, of which it asks only whether one has ended.

use std::time::Duration;

use uuid::Uuid;

use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// A new request, unless its holder has too many open ones.
    INSERT = "INSERT INTO oauth_device_requests (id, device_hash, user_hash, client_id, holder, scopes, origin, state, poll_interval, slowed,
            created_at, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10, $11
        WHERE (SELECT count(*) FROM oauth_device_requests WHERE holder = $5 AND expires_at > $10 AND state = 'pending') < $12";
    /// The open request with this short code.
    FIND_OPEN = "SELECT id, client_id, scopes, origin, created_at, expires_at
        FROM oauth_device_requests WHERE user_hash = $1 AND state = 'pending' AND expires_at > $2";
    /// Decides an open request: whoever gets the row has decided.
    DECIDE = "UPDATE oauth_device_requests SET state = $3, user_id = $4, session_id = $5, decided_at = $2
        WHERE id = $1 AND state = 'pending' AND expires_at > $2";
    /// The request of a device, in whatever state.
    FIND = "SELECT id, client_id, scopes, state, session_id, expires_at FROM oauth_device_requests WHERE device_hash = $1";
    /// Notes a poll, and slows the device down when it comes too early.
    POLL = "UPDATE oauth_device_requests SET last_polled_at = $2, slowed = (coalesce(last_polled_at, 0) > $3 - poll_interval),
            poll_interval = CASE WHEN coalesce(last_polled_at, 0) > $3 - poll_interval THEN poll_interval + $4 ELSE poll_interval END
        WHERE id = $1 AND state = 'pending' RETURNING slowed";
    /// Uses an approval up: whoever gets the row may begin the session.
    REDEEM = "UPDATE oauth_device_requests SET state = 'used'
        WHERE id = $1 AND state = 'approved' AND expires_at > $2
            AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = oauth_device_requests.session_id AND sessions.ended_at IS NULL)";
    /// Forgets what nobody can use any more.
    PURGE = "DELETE FROM oauth_device_requests WHERE id IN (SELECT id FROM oauth_device_requests WHERE expires_at < $1 LIMIT $2)";
}

/// So long a device that is late is told that it is late.
const KEEP_EXPIRED: Duration = Duration::from_secs(10 * 60);

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody has decided.
    Pending,
    /// Somebody let the device in.
    Approved,
    /// Somebody did not.
    Denied,
    /// The device came for its session.
    Used,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Used => "used",
        }
    }

    fn parse(word: &str) -> Result<Self, DbError> {
        let all = [Self::Pending, Self::Approved, Self::Denied, Self::Used];
        all.into_iter().find(|state| state.as_str() == word).ok_or_else(|| DbError::Decode(format!("a device request is `{word}`")))
    }
}

/// A request that is about to be written.
#[derive(Clone)]
pub(super) struct New {
    pub id: Uuid,
    pub device_hash: [u8; 32],
    pub user_hash: [u8; 32],
    pub client: String,
    pub holder: [u8; 32],
    pub scopes: String,
    pub origin: Vec<u8>,
    pub interval: Duration,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A request that waits for somebody to decide.
pub(super) struct Open {
    pub id: Uuid,
    pub client: String,
    pub scopes: Vec<String>,
    pub origin: Vec<u8>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A request as its device meets it.
pub(super) struct Request {
    pub id: Uuid,
    pub client: String,
    pub scopes: Vec<String>,
    pub state: State,
    /// Where it was decided.
    pub session: Option<Uuid>,
    pub expires_at: Timestamp,
}

fn words(list: &str) -> Vec<String> {
    list.split_ascii_whitespace().map(str::to_owned).collect()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Writes a request; false when its holder has `most` open ones already.
pub(super) async fn insert(db: &Db, new: &New, most: u32) -> Result<bool, DbError> {
    let args = args![
        new.id,
        new.device_hash,
        new.user_hash,
        new.client.clone(),
        new.holder,
        new.scopes.clone(),
        new.origin.clone(),
        micros(new.interval),
        false,
        new.created_at,
        new.expires_at,
        most
    ];
    Ok(db.write_one(INSERT, args).await?.1 == 1)
}

/// The open request with one of these short codes' hashes.
pub(super) async fn find_open(db: &Db, hashes: Vec<[u8; 32]>, now: Timestamp) -> Result<Option<Open>, DbError> {
    for hash in hashes {
        if let Some(row) = db.query_opt(FIND_OPEN, args![hash, now]).await? {
            return open(&row).map(Some);
        }
    }
    Ok(None)
}

fn open(row: &Row) -> Result<Open, DbError> {
    Ok(Open {
        id: row.get(0)?,
        client: row.get(1)?,
        scopes: words(&row.get::<String>(2)?),
        origin: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
    })
}

/// Decides for a request; false when it is not open (any more).
pub(super) async fn decide(tx: &mut Tx, id: Uuid, state: State, user: Uuid, session: Uuid, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(DECIDE, args![id, now, state.as_str(), user, session]).await? == 1)
}

/// The request whose device holds the code with one of these hashes.
pub(super) async fn find(db: &Db, hashes: Vec<[u8; 32]>) -> Result<Option<Request>, DbError> {
    for hash in hashes {
        if let Some(row) = db.query_opt(FIND, args![hash]).await? {
            return request(&row).map(Some);
        }
    }
    Ok(None)
}

fn request(row: &Row) -> Result<Request, DbError> {
    Ok(Request {
        id: row.get(0)?,
        client: row.get(1)?,
        scopes: words(&row.get::<String>(2)?),
        state: State::parse(&row.get::<String>(3)?)?,
        session: row.get(4)?,
        expires_at: row.get(5)?,
    })
}

/// Notes a poll of a request that nobody has decided: whether it came too early, which costs `penalty` from now on. `None`
/// when somebody has decided meanwhile. A poll may come `leeway` early: networks do not keep time.
pub(super) async fn poll(db: &Db, id: Uuid, now: Timestamp, leeway: Duration, penalty: Duration) -> Result<Option<bool>, DbError> {
    let (rows, _) = db.write_one(POLL, args![id, now, now.plus(leeway), micros(penalty)]).await?;
    rows.first().map(|row| row.get(0)).transpose()
}

/// Uses an approval up; false when it is not one (any more).
pub(super) async fn redeem(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(REDEEM, args![id, now]).await? == 1)
}

/// Forgets up to `rows` requests that expired a while ago; how many.
pub async fn purge(db: &Db, now: Timestamp, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(PURGE, args![now.minus(KEEP_EXPIRED), rows]).await?.1)
}
