//! Retention: old events are deleted up to a checkpoint, which is signed anew as the beginning. What is left verifies from there.

use std::time::Duration;

use super::checkpoint::{Kind, Statement, ours, signing_key};
use super::event::{Event, Target};
use super::{AUDIT_CUT, RETENTION_APPLIED, checkpoint_store as store, record};
use crate::db::DbError;
use crate::ground::Ground;
use crate::secret::SealError;
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Checkpoints per transaction: some thousand events, so that nobody waits long for it.
const STEP: i64 = 5;
/// Transactions per sweep; the next sweep goes on.
const STEPS: usize = 50;

/// Deletes the events that are older than `days`, once a day's worth of them is there: each deletion is an event itself.
///
/// # Errors
/// The key cannot be opened, or the store does not answer.
pub async fn cut(ground: &Ground, days: u32, now: Timestamp) -> Result<(), SealError> {
    let before = now.minus(DAY * days);
    if !store::has_older(&ground.db, before.minus(DAY)).await? {
        return Ok(());
    }
    for _ in 0..STEPS {
        if !step(ground, before, now).await? {
            break;
        }
    }
    Ok(())
}

/// One transaction; whether there may be more.
async fn step(ground: &Ground, before: Timestamp, now: Timestamp) -> Result<bool, SealError> {
    let Some(last) = store::older(&ground.db, before, STEP).await?.pop() else { return Ok(false) };
    let keys = ours(ground, &store::keys(&ground.db).await?);
    if !last.is_signed_by(&keys) {
        // Signing it as the beginning would make it true.
        tracing::warn!(seq = last.seq, "a checkpoint of the audit trail is forged; nothing is deleted");
        return Ok(false);
    }
    let this = ground.clone();
    let event = Event::new(ground, AUDIT_CUT, now).target(Target::none("audit")).detail("upTo", last.seq);
    ground
        .db
        .write(async move |tx| {
            let key = signing_key(tx, &this).await?;
            let begins = Statement::sign(&key, Kind::Begins, (last.seq, last.hash), now)?;
            // Another instance was faster.
            let Some(deleted) = store::begin(tx, &begins).await? else { return Ok(true) };
            record(tx, &event.clone().detail("deleted", deleted)).await?;
            Ok(true)
        })
        .await
}

/// Puts on record that `deleted` rows of `kind` were kept for as long as they are to be and are gone; nothing for none.
///
/// # Errors
/// The store does not answer.
pub async fn forgotten(ground: &Ground, kind: &'static str, deleted: u64, now: Timestamp) -> Result<(), DbError> {
    if deleted == 0 {
        return Ok(());
    }
    let event = Event::new(ground, RETENTION_APPLIED, now).detail("kind", kind).detail("deleted", deleted);
    ground.db.write(async move |tx| record(tx, &event).await).await
}
