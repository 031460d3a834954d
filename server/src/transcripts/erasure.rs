//! What somebody said who is being erased goes before the person's row does.

use std::pin::Pin;

use uuid::Uuid;

use super::{PURGE_BATCH, erasure_store as store};
use crate::accounts::Emptied;
use crate::db::{DbError, Tx};

/// Takes it.
#[derive(Clone, Copy, Debug)]
pub struct Erased;

impl Emptied for Erased {
    fn empty<'t>(&'t self, tx: &'t mut Tx, person: Uuid) -> Pin<Box<dyn Future<Output = Result<bool, DbError>> + Send + 't>> {
        Box::pin(async move { store::empty(tx, person, PURGE_BATCH.into()).await })
    }
}
