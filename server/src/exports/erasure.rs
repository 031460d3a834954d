//! Files of somebody who is being erased go before the person's row does.

use std::pin::Pin;

use uuid::Uuid;

use super::erasure_store as store;
use crate::accounts::Emptied;
use crate::db::{DbError, Tx};

/// Parts that one transaction takes: 16 MiB.
const BATCH: i64 = 64;

/// Takes them.
#[derive(Clone, Copy, Debug)]
pub struct Erased;

impl Emptied for Erased {
    fn empty<'t>(&'t self, tx: &'t mut Tx, person: Uuid) -> Pin<Box<dyn Future<Output = Result<bool, DbError>> + Send + 't>> {
        Box::pin(async move { store::empty(tx, person, BATCH).await })
    }
}
