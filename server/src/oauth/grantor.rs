//! Somebody who lets a client in: still signed in where they did it, and still somebody who may sign in.

use std::sync::Arc;

use uuid::Uuid;

use crate::accounts::{self, PersonView, Status, UserRow};
use crate::app::App;
use crate::db::DbError;
use crate::error::Problem;
use crate::secret::{PersonKey, SealError};
use crate::sessions;
use crate::sessions::store::Session;
use crate::time::Timestamp;

/// A person as they are now, and the session they decide in.
pub(super) struct Grantor {
    /// Where they decide, or did.
    pub session: Session,
    /// Their row, to be held while something begins in their name.
    pub row: UserRow,
    /// Their key.
    pub key: PersonKey,
    /// What is known of them.
    pub view: Arc<PersonView>,
}

/// Why somebody cannot let a client in.
#[derive(Debug)]
pub(super) enum Unfit {
    /// The session has ended.
    SignedOut,
    /// The account is suspended, deleted, or waits for its address to be verified.
    Barred,
    /// It cannot be known.
    Failed(Problem),
}

impl From<DbError> for Unfit {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<SealError> for Unfit {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Erased => Self::Barred,
            error => Self::Failed(error.into()),
        }
    }
}

impl Grantor {
    /// Whoever is signed in in `session`.
    pub async fn of(app: &App, session: Uuid, now: Timestamp) -> Result<Self, Unfit> {
        let session = sessions::store::find(&app.ground.db, session).await?;
        let session = session.filter(|session| session.is_open(now)).ok_or(Unfit::SignedOut)?;
        let row = accounts::store::find(&app.ground.db, session.user).await?.ok_or(Unfit::Barred)?;
        let may_sign_in = match row.status {
            Status::Active => true,
            Status::Pending => !app.ground.settings.accounts.require_verified_email,
            Status::Suspended | Status::Deleted => false,
        };
        if !may_sign_in {
            return Err(Unfit::Barred);
        }
        let key = app.ground.keyring.get(row.id).await?;
        let view = app.people.opened(&row, &key)?;
        Ok(Self { session, row, key, view })
    }
}
