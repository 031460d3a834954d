//! Every statement on the table `dev_mail`.

use uuid::Uuid;

use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;
use crate::{args, statements};

statements! {
    NEWEST = "SELECT at FROM dev_mail ORDER BY at DESC LIMIT 1";
    /// A repeated job finds its mail there already.
    KEEP = "INSERT INTO dev_mail (id, at, message) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
    /// With fewer rows than `$1` + 1 the inner select is NULL and nothing is deleted.
    TRIM = "DELETE FROM dev_mail WHERE at < (SELECT at FROM dev_mail ORDER BY at DESC LIMIT 1 OFFSET $1)";
    LIST = "SELECT id, at, message FROM dev_mail ORDER BY at DESC, id DESC LIMIT $1";
    ONE = "SELECT id, at, message FROM dev_mail WHERE id = $1";
}

/// A kept mail, still sealed.
pub(super) struct Kept {
    pub(super) id: Uuid,
    pub(super) at: Timestamp,
    pub(super) sealed: Vec<u8>,
}

fn kept(row: &Row) -> Result<Kept, DbError> {
    Ok(Kept { id: row.get(0)?, at: row.get(1)?, sealed: row.get(2)? })
}

/// Keeps one mail and forgets all but the newest `limit`. The time kept is later than that of every mail
/// before it, so that the order is the order of arrival even while a test's clock stands still.
pub(super) async fn keep(tx: &mut Tx, id: Uuid, now: Timestamp, sealed: Vec<u8>, limit: u32) -> Result<(), DbError> {
    let newest: Option<Timestamp> = tx.query_opt(NEWEST, args![]).await?.map(|row| row.get(0)).transpose()?;
    let at = newest.map_or(now, |newest| now.max(Timestamp::from_micros(newest.as_micros().saturating_add(1))));
    tx.execute(KEEP, args![id, at, sealed]).await?;
    tx.execute(TRIM, args![limit.saturating_sub(1)]).await?;
    Ok(())
}

pub(super) async fn list(db: &Db, limit: u32) -> Result<Vec<Kept>, DbError> {
    db.query(LIST, args![limit]).await?.iter().map(kept).collect()
}

pub(super) async fn one(db: &Db, id: Uuid) -> Result<Option<Kept>, DbError> {
    db.query_opt(ONE, args![id]).await?.as_ref().map(kept).transpose()
}
