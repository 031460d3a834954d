//! Every SQL line about clients that cannot be told.

use crate::args;
use crate::db::{Db, DbError, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// How it stands with a client that failed lately; what it did at another address does not count.
    FIND = "SELECT CASE WHEN address = $2 THEN silent_until END FROM oauth_silent_receivers WHERE client_id = $1";
    /// One more failure in a row; at another address it is the first.
    FAIL = "INSERT INTO oauth_silent_receivers (client_id, address, failures) VALUES ($1, $2, 1)
        ON CONFLICT (client_id) DO UPDATE SET address = excluded.address,
            failures = CASE WHEN oauth_silent_receivers.address = excluded.address THEN oauth_silent_receivers.failures + 1 ELSE 1 END,
            silent_since = CASE WHEN oauth_silent_receivers.address = excluded.address THEN oauth_silent_receivers.silent_since END,
            silent_until = CASE WHEN oauth_silent_receivers.address = excluded.address THEN oauth_silent_receivers.silent_until END
        RETURNING failures";
    /// Leaves a client alone; of two who say so the later end holds. Gives since when it has been left alone.
    SILENCE = "UPDATE oauth_silent_receivers SET silent_since = coalesce(silent_since, $2), silent_until = max(coalesce(silent_until, 0), $3)
        WHERE client_id = $1 RETURNING silent_since",
      postgres "UPDATE oauth_silent_receivers SET silent_since = coalesce(silent_since, $2), silent_until = greatest(silent_until, $3)
        WHERE client_id = $1 RETURNING silent_since";
    /// It took a token. Gives since when it had been left alone.
    FORGET = "DELETE FROM oauth_silent_receivers WHERE client_id = $1 RETURNING silent_since";
}

/// Until when the client is left alone: nothing when it never failed, `Some(None)` when it failed and is still called.
pub(super) async fn find(db: &Db, client: &str, address: &str) -> Result<Option<Option<Timestamp>>, DbError> {
    let row = db.query_opt(FIND, args![client.to_owned(), address.to_owned()]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// Notes a failure; how many there were in a row.
pub(super) async fn fail(tx: &mut Tx, client: &str, address: &str) -> Result<u32, DbError> {
    let row = tx.query_opt(FAIL, args![client.to_owned(), address.to_owned()]).await?;
    row.map_or(Ok(1), |row| row.get(0))
}

/// Leaves the client alone until `until`; since when it has been.
pub(super) async fn silence(tx: &mut Tx, client: &str, now: Timestamp, until: Timestamp) -> Result<Option<Timestamp>, DbError> {
    let row = tx.query_opt(SILENCE, args![client.to_owned(), now, until]).await?;
    row.map_or(Ok(None), |row| row.get(0))
}

/// Forgets the failures; since when the client had been left alone.
pub(super) async fn forget(tx: &mut Tx, client: &str) -> Result<Option<Timestamp>, DbError> {
    let row = tx.query_opt(FORGET, args![client.to_owned()]).await?;
    row.map_or(Ok(None), |row| row.get(0))
}
