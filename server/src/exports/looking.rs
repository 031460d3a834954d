//! Looks at exports that somebody on this instance listens to: at the row, so that it does not matter which instance writes the file, and
//! once for all who listen to the same one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::store::{self, Stored};
use super::view::{Status, status};
use crate::ground::Ground;

/// How often a row is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What was seen last; nothing once the export was taken back. Closed when it is over, or the store is away.
pub(super) type Seen = watch::Receiver<Option<Stored>>;

/// The exports that are looked at.
#[derive(Clone, Default)]
pub(super) struct Looking(Arc<Mutex<HashMap<Uuid, watch::Sender<Option<Stored>>>>>);

impl Looking {
    /// Follows the export that was just found to be as `found` says.
    pub fn follow(&self, ground: &Ground, found: Stored) -> Seen {
        let mut looked_at = self.lock();
        if let Some(sender) = looked_at.get(&found.id) {
            return sender.subscribe();
        }
        let (id, person) = (found.id, found.user);
        let (sender, seen) = watch::channel(Some(found));
        looked_at.insert(id, sender);
        let (this, ground) = (self.clone(), ground.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                if !this.look(&ground, id, person).await {
                    return;
                }
            }
        });
        seen
    }

    /// Looks once; false when nobody has to look again.
    async fn look(&self, ground: &Ground, id: Uuid, person: Uuid) -> bool {
        if !self.is_listened_to(id) {
            return false;
        }
        let found = store::find(&ground.db, id, person).await;
        let now = ground.clock.now();
        let mut looked_at = self.lock();
        let goes_on = matches!(&found, Ok(Some(stored)) if matches!(status(stored, now), Status::Queued | Status::Running));
        if let (Some(sender), Ok(found)) = (looked_at.get(&id), found) {
            sender.send_replace(found);
        }
        if !goes_on {
            looked_at.remove(&id);
        }
        goes_on
    }

    fn is_listened_to(&self, id: Uuid) -> bool {
        let mut looked_at = self.lock();
        let listened = looked_at.get(&id).is_some_and(|sender| sender.receiver_count() > 0);
        if !listened {
            looked_at.remove(&id);
        }
        listened
    }

    /// Nothing that is done under this lock can be left half done by a panic.
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<Option<Stored>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
