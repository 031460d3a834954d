//! Somebody is erased: what exports of the trail say of them was read while their key was there, and is sealed by the key of whoever
//! ordered it. Their own exports go with their account.

use std::pin::Pin;

use uuid::Uuid;

use super::{AUDIT, store};
use crate::accounts::AccessLost;
use crate::db::{DbError, Tx};
use crate::time::Timestamp;

/// Hears of people who lose access. When somebody is erased, files of the trail expire at once, and those that are being written fail:
/// ordered again, they do not say any more what nobody is to know. The sweep deletes the parts.
#[derive(Clone, Copy, Debug)]
pub struct Erasures;

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
