//! A bounded map in this process whose entries expire: the ground under the local limiter and the
//! local values.
//!
//! Sharded by a keyed hash (SipHash with keys drawn once per process, so nobody outside can aim at a
//! shard or a collision); the hash is 128 bits wide and stands for the key, which is not kept.
//! Expired entries are swept when a shard has doubled or a minute has passed, so each insertion pays
//! a constant share. A shard full of live entries drops the eighth that is nearest to its expiry.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::Timestamp;

const SHARDS: usize = 32;
/// A shard that small is not worth sweeping.
const FEW: usize = 64;
const SWEEP_EVERY_MICROS: u64 = 60_000_000;

/// What knows when it may be forgotten.
pub(super) trait Expires {
    /// The first instant at which it is worthless.
    fn expires(&self) -> Timestamp;
}

/// The hash that stands for a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u64, u64);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.1);
    }
}

/// Keys are hashes already: hashing them again would only cost time.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

struct Shard<V> {
    entries: HashMap<Key, V, BuildHasherDefault<AsIs>>,
    swept: Timestamp,
    sweep_at: usize,
}

/// The map.
pub(super) struct Expiring<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    per_shard: usize,
    hashers: [RandomState; 2],
}

impl<V: Expires> Expiring<V> {
    /// At most about `capacity` entries in all.
    pub(super) fn new(capacity: usize) -> Self {
        let shard = || Mutex::new(Shard { entries: HashMap::default(), swept: Timestamp::default(), sweep_at: FEW });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            per_shard: capacity.div_ceil(SHARDS),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    pub(super) fn key(&self, of: &impl Hash) -> Key {
        Key(self.hashers[0].hash_one(of), self.hashers[1].hash_one(of))
    }

    /// Works on the entry of `key` under its shard's lock.
    pub(super) fn entry<R>(&self, key: Key, work: impl FnOnce(Option<&mut V>) -> (R, Option<V>), now: Timestamp) -> R {
        let mut shard = self.shard(key);
        let (result, fresh) = work(shard.entries.get_mut(&key));
        if let Some(fresh) = fresh {
            shard.insert(key, fresh, now, self.per_shard);
        }
        result
    }

    /// Stores `value` in place of whatever `key` had.
    pub(super) fn insert(&self, key: Key, value: V, now: Timestamp) {
        self.shard(key).insert(key, value, now, self.per_shard);
    }

    /// Removes the entry of `key` if it is live at `now` and `wanted`.
    pub(super) fn remove_if(&self, key: Key, now: Timestamp, wanted: impl FnOnce(&V) -> bool) -> Option<V> {
        let mut shard = self.shard(key);
        let found = shard.entries.get(&key)?;
        if found.expires() > now && !wanted(found) {
            return None;
        }
        shard.entries.remove(&key).filter(|value| value.expires() > now)
    }

    /// How many entries are held, expired ones that wait for the sweep included.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).entries.len()).sum()
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard<V>> {
        // The other half of the hash places the entry inside its shard.
        lock(&self.shards[(key.0 % SHARDS as u64) as usize])
    }
}

impl<V: Expires> Shard<V> {
    fn insert(&mut self, key: Key, value: V, now: Timestamp, capacity: usize) {
        if !self.entries.contains_key(&key) {
            self.make_room(now, capacity);
        }
        self.entries.insert(key, value);
    }

    fn make_room(&mut self, now: Timestamp, capacity: usize) {
        let age = now.as_micros().abs_diff(self.swept.as_micros());
        if self.entries.len() >= self.sweep_at || (age >= SWEEP_EVERY_MICROS && !self.entries.is_empty()) {
            self.entries.retain(|_, value| value.expires() > now);
            self.swept = now;
            self.sweep_at = (self.entries.len() * 2).clamp(FEW.min(capacity), capacity.max(1));
        }
        if self.entries.len() >= capacity {
            self.drop_the_nearest_to_expiry();
        }
    }

    fn drop_the_nearest_to_expiry(&mut self) {
        let mut expiries: Vec<Timestamp> = self.entries.values().map(Expires::expires).collect();
        if expiries.is_empty() {
            return;
        }
        let mut surplus = expiries.len() / 8 + 1;
        let latest = *expiries.select_nth_unstable(surplus - 1).1;
        // Many may expire in the same instant: count, or all of them would go.
        self.entries.retain(|_, value| {
            let goes = surplus > 0 && value.expires() <= latest;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

/// A panic under the lock cannot leave an entry half written that matters; the limiter goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
