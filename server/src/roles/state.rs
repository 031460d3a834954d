//! The roles in memory: one snapshot that all look-ups share, replaced as a whole when something changed.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::change::ROLES_MAX;
use super::snapshot::Snapshot;
use super::store;
use crate::db::{DbError, Tx};
use crate::error::FieldError;
use crate::ground::Ground;
use crate::shared::net;
use crate::time::Timestamp;

/// Fan-out topic: some role changed.
pub const ROLES_CHANGED: &str = "roles.changed";

/// Roles that one person has at most; their names go into every access token.
pub const HELD_MAX: usize = 20;

/// A change is dated by its request's arrival, which may have taken the whole request time-out (30 s) to commit, on an instance
/// whose clock is a little behind.
const POLL_OVERLAP: Duration = Duration::from_secs(45);

/// The roles of one instance; clones share them.
#[derive(Clone)]
pub struct Roles(Arc<Inner>);

struct Inner {
    ground: Ground,
    snapshot: RwLock<Arc<Snapshot>>,
}

impl Roles {
    /// Only the built-in ones, until [`Roles::reload`].
    pub fn new(ground: Ground) -> Self {
        Self(Arc::new(Inner { ground, snapshot: RwLock::default() }))
    }

    /// The roles as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether `roles` together grant `scope` now.
    pub fn grants(&self, roles: &[String], scope: &str) -> bool {
        self.snapshot().grants(roles, scope)
    }

    /// The scopes that `roles` grant together, in the form of a `scope` claim (RFC 8693 section 4.2).
    pub fn scope_claim(&self, roles: &[String]) -> String {
        self.snapshot().scopes_of(roles).join(" ")
    }

    /// Each of the typed roles once.
    ///
    /// # Errors
    /// None is given, too many are, or one does not exist; the fault names the member `roles`.
    pub fn check(&self, typed: &[String]) -> Result<Vec<String>, FieldError> {
        let fault = |code, message: String| FieldError { field: "roles".into(), code, message: message.into() };
        let known = self.snapshot();
        let mut roles: Vec<String> = Vec::new();
        for role in typed.iter().map(|role| role.trim()) {
            if !known.has(role) {
                let names = known.names().take(HELD_MAX).collect::<Vec<_>>().join(", ");
                return Err(fault("unknown_role", format!("There is no such role. Use one or more of: {names}.")));
            }
            if roles.iter().all(|given| given != role) {
                roles.push(role.to_owned());
            }
        }
        match roles.len() {
            0 => Err(fault("required", "Give at least one role, such as user.".to_owned())),
            count if count > HELD_MAX => Err(fault("too_many", format!("Give at most {HELD_MAX} roles."))),
            _ => Ok(roles),
        }
    }

    /// Reads all roles again.
    ///
    /// # Errors
    /// The store does not answer; what is in memory stays.
    pub async fn reload(&self) -> Result<(), DbError> {
        let db = &self.0.ground.db;
        // In this order: a change between the two reads is missing in the versions, and the next poll sees that.
        let versions = store::changed_since(db, Timestamp::default()).await?;
        let next = Snapshot::new(store::all(db, ROLES_MAX).await?, versions);
        *self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    /// Has every instance read the roles again once `tx` is committed; this one by [`Roles::reload`].
    pub(super) fn changed_on_commit(&self, tx: &mut Tx) {
        let this = self.clone();
        tx.on_commit(move || this.0.ground.shared.publish(ROLES_CHANGED, Vec::new()));
    }

    /// Reads them again when one was changed or deleted elsewhere.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn poll(&self) -> Result<(), DbError> {
        let known = self.snapshot();
        let changed = store::changed_since(&self.0.ground.db, known.newest.min(self.0.ground.clock.now()).minus(POLL_OVERLAP)).await?;
        if changed.iter().any(|(name, version)| known.versions.get(name) != Some(version)) {
            self.reload().await?;
        }
        Ok(())
    }

    /// Polls until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        net::follow("roles", stop, || self.poll()).await;
    }
}
