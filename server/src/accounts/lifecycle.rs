//! Accounts are suspended, activated, deleted, restored and erased; always on record, and always with the
//! person's access ended in the same transaction.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use super::people::People;
use super::status::Status;
use super::store::{self, Move};
use crate::audit::{self, Action, Actor, Target};
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::secret::SealError;
use crate::time::Timestamp;

/// Told inside the transaction that a person lost access; `app.rs` connects the slices that act on it.
pub trait AccessLost: Send + Sync {
    /// `person` may not be signed in any more.
    fn access_lost<'t>(
        &'t self,
        tx: &'t mut Tx,
        person: Uuid,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>>;
}

/// Why an account did not change its state.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// Nobody has this id.
    #[error("there is no such person")]
    NotFound,
    /// The account is in a state that this cannot come from.
    #[error("the account is {}, so this cannot be done", .0.as_str())]
    Conflict(Status),
    /// The store failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The keyring failed.
    #[error(transparent)]
    Keyring(#[from] SealError),
}

impl From<LifecycleError> for Problem {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::NotFound => Code::NotFound.into(),
            LifecycleError::Conflict(status) => {
                Problem::new(Code::Conflict).detail(format!("The account is {}; this cannot be done from there.", status.as_str()))
            }
            LifecycleError::Db(error) => error.into(),
            LifecycleError::Keyring(error) => error.into(),
        }
    }
}

/// Who does it and why; on record.
#[derive(Clone, Debug)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// The reason given, if any.
    pub reason: Option<String>,
}

/// The acts.
#[derive(Clone)]
pub struct Lifecycle {
    ground: Ground,
    people: People,
    listeners: Arc<Vec<Arc<dyn AccessLost>>>,
}

impl Lifecycle {
    /// `listeners` hear of everybody who loses access.
    pub fn new(ground: Ground, people: People, listeners: Vec<Arc<dyn AccessLost>>) -> Self {
        Self { ground, people, listeners: Arc::new(listeners) }
    }

    /// Closes an account until it is activated again.
    pub async fn suspend(&self, person: Uuid, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let step = Move { from: [Status::Active, Status::Pending], to: Status::Suspended, erases_at: None };
        self.step(person, step, audit::USER_SUSPENDED, by, now).await
    }

    /// Opens a suspended or pending account.
    pub async fn activate(&self, person: Uuid, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let step = Move { from: [Status::Suspended, Status::Pending], to: Status::Active, erases_at: None };
        self.step(person, step, audit::USER_ACTIVATED, by, now).await
    }

    /// Deletes an account; it can be restored until the grace period ends. Returns when that is.
    pub async fn delete(&self, person: Uuid, by: By, now: Timestamp) -> Result<Timestamp, LifecycleError> {
        let erases_at = now.plus(self.ground.settings.accounts.restore_grace);
        let found = store::find(&self.ground.db, person).await?.ok_or(LifecycleError::NotFound)?;
        if found.status == Status::Deleted {
            return Err(LifecycleError::Conflict(Status::Deleted));
        }
        let step = Move { from: [found.status, found.status], to: Status::Deleted, erases_at: Some(erases_at) };
        self.step(person, step, audit::USER_DELETED, by, now).await?;
        Ok(erases_at)
    }

    /// Restores a deleted account within its grace: active when its address was confirmed, else pending.
    pub async fn restore(&self, person: Uuid, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let found = store::find(&self.ground.db, person).await?.ok_or(LifecycleError::NotFound)?;
        let to = if found.email_verified_at.is_some() { Status::Active } else { Status::Pending };
        let step = Move { from: [Status::Deleted, Status::Deleted], to, erases_at: None };
        self.step(person, step, audit::USER_RESTORED, by, now).await
    }

    /// Erases a deleted person: the grace ends, the person's key is destroyed, so that every copy of what it
    /// sealed, in backups too, becomes unreadable, and then the row goes. A crash in between leaves a deleted
    /// row that nobody can restore and that the next sweep erases again.
    pub async fn erase(&self, person: Uuid, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        if !store::end_grace(&self.ground.db, person).await? {
            let found = store::find(&self.ground.db, person).await?.ok_or(LifecycleError::NotFound)?;
            return Err(LifecycleError::Conflict(found.status));
        }
        match self.ground.keyring.destroy(person).await {
            Ok(()) | Err(SealError::Erased) => {}
            Err(error) => return Err(error.into()),
        }
        let this = self.clone();
        let event = self.event(audit::USER_ERASED, person, &by, now);
        self.ground
            .db
            .write(async move |tx| {
                this.tell(tx, person, now).await?;
                if store::erase(tx, person).await? {
                    audit::record(tx, &event).await?;
                    this.people.changed_on_commit(tx, person);
                }
                Ok(())
            })
            .await
    }

    async fn step(&self, person: Uuid, step: Move, action: Action, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let this = self.clone();
        let event = self.event(action, person, &by, now);
        let moved = self
            .ground
            .db
            .write(async move |tx| {
                if !store::set_status(tx, person, step, now).await? {
                    return Ok(false);
                }
                if step.to != Status::Active {
                    this.tell(tx, person, now).await?;
                }
                audit::record(tx, &event).await?;
                this.people.changed_on_commit(tx, person);
                Ok::<_, DbError>(true)
            })
            .await?;
        if moved {
            return Ok(());
        }
        let found = store::find(&self.ground.db, person).await?.ok_or(LifecycleError::NotFound)?;
        Err(LifecycleError::Conflict(found.status))
    }

    async fn tell(&self, tx: &mut Tx, person: Uuid, now: Timestamp) -> Result<(), DbError> {
        for listener in self.listeners.iter() {
            listener.access_lost(tx, person, now).await?;
        }
        Ok(())
    }

    fn event(&self, action: Action, person: Uuid, by: &By, now: Timestamp) -> audit::Event {
        let event = audit::Event::new(&self.ground, action, now).actor(by.actor).target(Target::user(person));
        match &by.reason {
            Some(reason) => event.detail("reason", reason.clone()),
            None => event,
        }
    }
}
