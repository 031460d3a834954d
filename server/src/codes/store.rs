//! Every SQL line about one-time codes, and the two ways of using one up.

use std::time::Duration;

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::secret::{LinkSecret, hashes};
use super::{CODE_ATTEMPTS, CODE_DIGITS, OPEN_CODES_MAX, Purpose};
use crate::args;
use crate::db::{Db, DbError, Tx};
use crate::ground::Ground;
use crate::secret::{Purpose as KeyPurpose, RootKeys};
use crate::time::Timestamp;

/// How long tickets are kept after they expired.
const KEEP_TICKETS: Duration = Duration::from_secs(60);

crate::statements! {
    /// A new code.
    INSERT = "INSERT INTO codes (id, purpose, subject, secret_hash, payload, attempts_left, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (id) DO NOTHING";
    /// Voids all but the newest open codes of a person.
    VOID_OLDER = "UPDATE codes SET used_at = $3 WHERE subject = $1 AND purpose = $2 AND used_at IS NULL AND id NOT IN (
            SELECT id FROM codes WHERE subject = $1 AND purpose = $2 AND used_at IS NULL ORDER BY id DESC LIMIT $4)";
    /// Voids every open code of a person for a purpose.
    VOID = "UPDATE codes SET used_at = $3 WHERE subject = $1 AND purpose = $2 AND used_at IS NULL";
    /// Takes a try from each open code of a person, before the guess is compared.
    TAKE_TRY = "UPDATE codes SET attempts_left = attempts_left - 1
        WHERE subject = $1 AND purpose = $2 AND used_at IS NULL AND attempts_left > 0 AND expires_at > $3
        RETURNING id, secret_hash, payload";
    /// Uses one up.
    USE_ONE = "UPDATE codes SET used_at = $2 WHERE id = $1 AND used_at IS NULL";
    /// Uses a link up: whoever gets the row has used it.
    USE_LINK = "UPDATE codes SET used_at = $3 WHERE secret_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3
        RETURNING id, subject, payload";
    /// Whose open link it is.
    PEEK_LINK = "SELECT subject FROM codes WHERE secret_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3";
    /// Deletes what nobody can use any more.
    PURGE = "DELETE FROM codes WHERE id IN (SELECT id FROM codes WHERE expires_at < $1 LIMIT $2)";
    /// The same of tickets alone.
    PURGE_TICKETS = "DELETE FROM codes WHERE id IN (SELECT id FROM codes WHERE expires_at < $1 AND purpose IN ('transcript_ticket', 'realtime_ticket') LIMIT $2)";
}

/// A code that is ready to be written; clones are the same code.
#[derive(Clone)]
pub struct NewCode {
    id: Uuid,
    purpose: Purpose,
    subject: Uuid,
    hash: [u8; 32],
    payload: Option<Vec<u8>>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

/// A new code and the secret that goes into the mail, which is stored nowhere.
pub struct Issued {
    /// To be written with [`issue`].
    pub code: NewCode,
    /// What the person types, or what stands in the link.
    pub secret: String,
}

impl NewCode {
    /// A short code of `subject`. `id` names the code's row: issuing the same id twice issues one.
    pub fn digits(
        ground: &Ground,
        id: Uuid,
        purpose: Purpose,
        subject: Uuid,
        payload: Option<&[u8]>,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Issued {
        let secret = ground.random.digits(CODE_DIGITS);
        Self::with(ground, id, Some(id), purpose, subject, secret, payload, now, expires_at)
    }

    /// A link of `subject`; `id` as above.
    pub fn link(ground: &Ground, id: Uuid, purpose: Purpose, subject: Uuid, now: Timestamp, expires_at: Timestamp) -> Issued {
        let secret = LinkSecret::new(&ground.random).expose().to_owned();
        Self::with(ground, id, None, purpose, subject, secret, None, now, expires_at)
    }

    /// A ticket: a secret of nobody in particular that carries what it stands for; `id` as above.
    pub fn ticket(ground: &Ground, id: Uuid, purpose: Purpose, payload: &[u8], now: Timestamp, expires_at: Timestamp) -> Issued {
        let secret = LinkSecret::new(&ground.random).expose().to_owned();
        Self::with(ground, id, None, purpose, id, secret, Some(payload), now, expires_at)
    }

    #[expect(clippy::too_many_arguments, reason = "the constructors above are the interface")]
    fn with(
        ground: &Ground,
        id: Uuid,
        bound: Option<Uuid>,
        purpose: Purpose,
        subject: Uuid,
        secret: String,
        payload: Option<&[u8]>,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Issued {
        // The current key's hash comes first, and there is always a current key.
        let hash = hashes(&ground.roots, purpose, bound, &secret).first().copied().unwrap_or_default();
        let payload = payload.map(|plain| ground.roots.seal(KeyPurpose::Codes, id.as_bytes(), plain));
        Issued { code: Self { id, purpose, subject, hash, payload, created_at, expires_at }, secret }
    }
}

/// A code that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The code's row.
    pub id: Uuid,
    /// Whose it was.
    pub subject: Uuid,
    /// What it carried.
    pub payload: Option<Vec<u8>>,
}

/// Writes a new code and voids the person's older ones beyond the few that may be open; false when its id
/// was issued before.
pub async fn issue(tx: &mut Tx, code: &NewCode) -> Result<bool, DbError> {
    let args = args![
        code.id,
        code.purpose.as_str(),
        code.subject,
        code.hash,
        code.payload.clone(),
        CODE_ATTEMPTS,
        code.created_at,
        code.expires_at
    ];
    if tx.execute(INSERT, args).await? == 0 {
        return Ok(false);
    }
    tx.execute(VOID_OLDER, args![code.subject, code.purpose.as_str(), code.created_at, OPEN_CODES_MAX]).await?;
    Ok(true)
}

/// Whose link could be used now; looked at before work is spent on it.
pub async fn link_owner(db: &Db, roots: &RootKeys, purpose: Purpose, secret: &str, now: Timestamp) -> Result<Option<Uuid>, DbError> {
    for hash in hashes(roots, purpose, None, secret) {
        if let Some(row) = db.query_opt(PEEK_LINK, args![hash, purpose.as_str(), now]).await? {
            return row.get(0).map(Some);
        }
    }
    Ok(None)
}

/// Tries a short code; `None` when it is wrong, used, expired or out of tries, without saying which.
/// The try is taken first, so parallel guesses never get more tries than there are. The caller must let
/// the transaction commit when the guess was wrong, or the try would be given back.
pub async fn use_code(
    tx: &mut Tx,
    roots: &RootKeys,
    purpose: Purpose,
    subject: Uuid,
    typed: &str,
    now: Timestamp,
) -> Result<Option<Used>, DbError> {
    for row in tx.query(TAKE_TRY, args![subject, purpose.as_str(), now]).await? {
        let (id, stored): (Uuid, [u8; 32]) = (row.get(0)?, row.get(1)?);
        let right = hashes(roots, purpose, Some(id), typed).iter().any(|hash| bool::from(hash.ct_eq(&stored)));
        if right && tx.execute(USE_ONE, args![id, now]).await? == 1 {
            return Ok(Some(Used { id, subject, payload: opened(roots, id, row.get(2)?)? }));
        }
    }
    Ok(None)
}

/// Uses a link; `None` when there is no such open link. Of many callers one wins.
pub async fn use_link(tx: &mut Tx, roots: &RootKeys, purpose: Purpose, secret: &str, now: Timestamp) -> Result<Option<Used>, DbError> {
    for hash in hashes(roots, purpose, None, secret) {
        if let Some(row) = tx.query_opt(USE_LINK, args![hash, purpose.as_str(), now]).await? {
            let id = row.get(0)?;
            return Ok(Some(Used { id, subject: row.get(1)?, payload: opened(roots, id, row.get(2)?)? }));
        }
    }
    Ok(None)
}

/// Voids every open code of `subject`.
pub async fn void(tx: &mut Tx, purpose: Purpose, subject: Uuid, now: Timestamp) -> Result<u64, DbError> {
    tx.execute(VOID, args![subject, purpose.as_str(), now]).await
}

/// Deletes up to `rows` codes that expired before `before`; how many.
pub async fn purge_expired(db: &Db, before: Timestamp, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(PURGE, args![before, rows]).await?.1)
}

/// Deletes tickets that have expired: there may be many of them, and they say nothing to whoever looks into an incident. A minute
/// later, for instances whose clocks are behind; how many, `rows` at most.
pub async fn purge_tickets(db: &Db, now: Timestamp, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(PURGE_TICKETS, args![now.minus(KEEP_TICKETS), rows]).await?.1)
}

fn opened(roots: &RootKeys, id: Uuid, sealed: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, DbError> {
    let open = |sealed: Vec<u8>| roots.open(KeyPurpose::Codes, id.as_bytes(), &sealed);
    sealed.map(open).transpose().map_err(|error| DbError::Decode(error.to_string()))
}
