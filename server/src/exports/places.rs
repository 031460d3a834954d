//! How many of something one person has open on this instance: an answer that is begun holds nobody up, and is counted nowhere else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// Places of which each person may take so many at a time.
pub(super) struct Places {
    most: u32,
    taken: Arc<Mutex<HashMap<Uuid, u32>>>,
}

/// One of them, given back when dropped.
pub(super) struct Place {
    person: Uuid,
    taken: Arc<Mutex<HashMap<Uuid, u32>>>,
}

impl Places {
    /// `most` for each person.
    pub fn new(most: u32) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// One for `person`; nothing when they have all of theirs.
    pub fn take(&self, person: Uuid) -> Option<Place> {
        // Nothing that is done under this lock can be left half done by a panic.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(person).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { person, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.person) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.person);
            }
        }
    }
}
