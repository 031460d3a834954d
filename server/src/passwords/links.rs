//! Links that were mailed to somebody who loses access are void with it.

use std::pin::Pin;

use uuid::Uuid;

use crate::accounts::AccessLost;
use crate::codes::{self, Purpose};
use crate::db::{DbError, Tx};
use crate::time::Timestamp;

/// Voids them.
pub struct Links;

impl AccessLost for Links {
    fn access_lost<'t>(
        &'t self,
        tx: &'t mut Tx,
        person: Uuid,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
        Box::pin(async move { codes::void(tx, Purpose::ResetPassword, person, now).await.map(|_| ()) })
    }
}
