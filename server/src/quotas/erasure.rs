//! What is counted about somebody who is being erased goes before the person's row does.

use std::pin::Pin;

use uuid::Uuid;

use super::purge_store as store;
use crate::accounts::Emptied;
use crate::db::{DbError, Tx};

/// Rows of each table that one transaction takes.
const BATCH: i64 = 1_000;

/// Takes it.
#[derive(Clone, Copy, Debug)]
pub struct Erased;

impl Emptied for Erased {
    fn empty<'t>(&'t self, tx: &'t mut Tx, person: Uuid) -> Pin<Box<dyn Future<Output = Result<bool, DbError>> + Send + 't>> {
        Box::pin(async move { store::empty(tx, person, BATCH).await })
    }
}
