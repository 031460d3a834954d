//! Somebody is erased: their own files go before their row does. What exports of the trail say of them was read while their key was
//! there, and is sealed by the key of whoever ordered it, so those files end at once.

use std::pin::Pin;

use uuid::Uuid;

use super::{AUDIT, erasure_store, store};
use crate::accounts::{AccessLost, Emptied};
use crate::db::{DbError, Tx};
use crate::time::Timestamp;

/// Parts that one transaction takes: 16 MiB.
const BATCH: i64 = 64;

/// Hears of people who lose access, and takes the files of those who are being erased.
#[derive(Clone, Copy, Debug)]
pub struct Erasures;

impl Emptied for Erasures {
    fn empty<'t>(&'t self, tx: &'t mut Tx, person: Uuid) -> Pin<Box<dyn Future<Output = Result<bool, DbError>> + Send + 't>> {
        Box::pin(async move { erasure_store::empty(tx, person, BATCH).await })
    }
}

/// When somebody is erased, files of the trail expire, and those that are being written fail: ordered again, they do not say any more
/// what nobody is to know. The sweep deletes the parts.
impl AccessLost for Erasures {
    fn access_lost<'t>(
        &'t self,
        tx: &'t mut Tx,
        person: Uuid,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
        Box::pin(async move { store::outdate(tx, AUDIT.name, person, now).await })
    }
}
