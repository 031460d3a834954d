//! Sessions of somebody who is being erased go before the person's row does: they are kept for a while, so a program that
//! signs in each minute has very many of them.

use std::pin::Pin;

use uuid::Uuid;

use super::store;
use crate::accounts::Emptied;
use crate::db::{DbError, Tx};

/// Sessions that one transaction takes.
const BATCH: i64 = 500;

/// Takes those that have ended.
#[derive(Clone, Copy, Debug)]
pub struct Erased;

impl Emptied for Erased {
    fn empty<'t>(&'t self, tx: &'t mut Tx, person: Uuid) -> Pin<Box<dyn Future<Output = Result<bool, DbError>> + Send + 't>> {
        Box::pin(async move { store::empty(tx, person, BATCH).await })
    }
}
