//! Accounts are suspended, activated, deleted, restored and erased; always on record, and always with the
//! person's access ended in the same transaction.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::by::By;
use super::erasure::Emptied;
use super::people::People;
use super::status::Status;
use super::store::{self, Move};
use super::{administrators, administrators_store};
use crate::audit::{self, Action, Actor, Target};
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::mail::{self, Letter};
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
    /// The account is not any more what it was when this was decided.
    #[error("the account was changed meanwhile")]
    Changed,
    /// The installation would have no administrator left.
    #[error("this is the last active administrator")]
    LastAdministrator,
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
            LifecycleError::Changed => Code::VersionConflict.into(),
            LifecycleError::LastAdministrator => last_administrator(),
            LifecycleError::Db(error) => error.into(),
            LifecycleError::Keyring(error) => error.into(),
        }
    }
}

/// The refusal of what would leave nobody who can administer.
pub(super) fn last_administrator() -> Problem {
    Problem::new(Code::Conflict).detail("This is the last active administrator. Make somebody else an administrator first.")
}

/// The acts.
#[derive(Clone)]
pub struct Lifecycle {
    ground: Ground,
    people: People,
    listeners: Arc<Vec<Arc<dyn AccessLost>>>,
    emptied: Arc<Vec<Arc<dyn Emptied>>>,
}

impl Lifecycle {
    /// `listeners` hear of everybody who loses access; `emptied` have their turn before somebody's row goes.
    pub fn new(ground: Ground, people: People, listeners: Vec<Arc<dyn AccessLost>>, emptied: Vec<Arc<dyn Emptied>>) -> Self {
        Self { ground, people, listeners: Arc::new(listeners), emptied: Arc::new(emptied) }
    }

    pub(super) const fn ground(&self) -> &Ground {
        &self.ground
    }

    pub(super) const fn people(&self) -> &People {
        &self.people
    }

    pub(super) fn emptied(&self) -> &[Arc<dyn Emptied>] {
        &self.emptied
    }

    /// Closes an account until it is activated again.
    pub async fn suspend(&self, person: Uuid, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let step = Move { from: [Status::Active, Status::Pending], to: Status::Suspended, erases_at: None };
        self.step(person, step, audit::USER_SUSPENDED, by, now).await
    }

    /// Opens a suspended or pending account. One that is suspended and whose address is not confirmed is pending again where
    /// that is asked for: the address may have been changed meanwhile, and belong to a stranger.
    pub async fn activate(&self, person: Uuid, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let found = store::find(&self.ground.db, person).await?.ok_or(LifecycleError::NotFound)?;
        let waits = found.email_verified_at.is_none() && self.ground.settings.accounts.require_verified_email;
        let step = match found.status {
            Status::Suspended if waits => Move { from: [Status::Suspended; 2], to: Status::Pending, erases_at: None },
            Status::Suspended => Move { from: [Status::Suspended; 2], to: Status::Active, erases_at: None },
            _ => Move { from: [Status::Pending; 2], to: Status::Active, erases_at: None },
        };
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

    /// Deletes an account, or moves the end of its grace, so that it is erased at `at`. An account that is to be erased at once is
    /// erased by [`Lifecycle::erase`] afterwards.
    pub async fn schedule_erasure(&self, person: Uuid, at: Timestamp, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let found = store::find(&self.ground.db, person).await?.ok_or(LifecycleError::NotFound)?;
        let step = Move { from: [found.status, found.status], to: Status::Deleted, erases_at: Some(at) };
        self.step(person, step, audit::USER_ERASURE_SCHEDULED, by, now).await
    }

    /// Locks somebody out of everything at once, whatever state an account that is not deleted is in: it is suspended, and
    /// whoever listens takes away sessions, tokens and links.
    pub async fn lock_down(&self, person: Uuid, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let found = store::find(&self.ground.db, person).await?.ok_or(LifecycleError::NotFound)?;
        if found.status == Status::Deleted {
            return Err(LifecycleError::Conflict(Status::Deleted));
        }
        let key = self.ground.keyring.get(person).await?;
        let view = self.people.opened(&found, &key)?;
        let letter = Letter::LockedDown { name: view.name.clone(), at: now.to_rfc3339() };
        let step = Move { from: [found.status, Status::Suspended], to: Status::Suspended, erases_at: None };
        self.step_told(person, step, audit::USER_LOCKED_DOWN, by, now, Some((view.email.clone(), letter))).await
    }

    /// Erases somebody in `delay`, at once when there is none; when that is. Until then the account is deleted and can be restored.
    pub async fn erase_in(&self, person: Uuid, delay: Duration, by: By, now: Timestamp) -> Result<Timestamp, LifecycleError> {
        let at = now.plus(delay);
        // A second at least between the two steps, so that the first one is not over before it has begun.
        self.schedule_erasure(person, at.max(now.plus(Duration::from_secs(1))), by.clone(), now).await?;
        if delay.is_zero() {
            self.erase(person, by, now).await?;
        }
        Ok(at)
    }

    /// Restores a deleted account within its grace: active when its address was confirmed, else pending.
    pub async fn restore(&self, person: Uuid, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let found = store::find(&self.ground.db, person).await?.ok_or(LifecycleError::NotFound)?;
        let to = if found.email_verified_at.is_some() { Status::Active } else { Status::Pending };
        let step = Move { from: [Status::Deleted, Status::Deleted], to, erases_at: None };
        self.step(person, step, audit::USER_RESTORED, by, now).await
    }

    /// Erases somebody who signed up and never confirmed the address; nothing when they have meanwhile.
    pub async fn expire(&self, person: Uuid, now: Timestamp) -> Result<(), LifecycleError> {
        let by = By { reason: Some("the address was never confirmed".to_owned()), ..By::of(Actor::System) };
        let at = now.plus(Duration::from_secs(1));
        let step = Move { from: [Status::Pending; 2], to: Status::Deleted, erases_at: Some(at) };
        match self.step(person, step, audit::USER_ERASURE_SCHEDULED, by.clone(), now).await {
            Ok(()) => self.erase(person, by, now).await,
            Err(LifecycleError::NotFound | LifecycleError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn step(&self, person: Uuid, step: Move, action: Action, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        self.step_told(person, step, action, by, now, None).await
    }

    /// The same; in a lock-down the password is void as well, and the person is told by a letter to their address.
    async fn step_told(
        &self,
        person: Uuid,
        step: Move,
        action: Action,
        by: By,
        now: Timestamp,
        lock_down: Option<(String, Letter)>,
    ) -> Result<(), LifecycleError> {
        let (this, seen) = (self.clone(), by.seen);
        let event = self.event(action, person, &by, now);
        let moved = self
            .ground
            .db
            .write(async move |tx| {
                if step.to != Status::Active && !administrators::can_do_without(tx, person).await? {
                    return Err(LifecycleError::LastAdministrator);
                }
                if !store::set_status(tx, person, step, seen, now).await? {
                    return Ok(false);
                }
                if step.to != Status::Active {
                    this.tell(tx, person, now).await?;
                }
                audit::record(tx, &event).await?;
                if let Some((email, letter)) = &lock_down {
                    administrators_store::drop_password(tx, person, now).await?;
                    mail::post(tx, &this.ground.jobs, email, letter.clone(), now).await?;
                }
                this.people.changed_on_commit(tx, person);
                Ok::<_, LifecycleError>(true)
            })
            .await?;
        if moved {
            return Ok(());
        }
        let found = store::find(&self.ground.db, person).await?.ok_or(LifecycleError::NotFound)?;
        match step.from.contains(&found.status) && seen.is_some_and(|seen| seen != found.version) {
            true => Err(LifecycleError::Changed),
            false => Err(LifecycleError::Conflict(found.status)),
        }
    }

    /// Whoever listens takes away what the person came in with.
    pub(super) async fn tell(&self, tx: &mut Tx, person: Uuid, now: Timestamp) -> Result<(), DbError> {
        for listener in self.listeners.iter() {
            listener.access_lost(tx, person, now).await?;
        }
        Ok(())
    }

    pub(super) fn event(&self, action: Action, person: Uuid, by: &By, now: Timestamp) -> audit::Event {
        by.event(&self.ground, action, Target::user(person), now)
    }
}
