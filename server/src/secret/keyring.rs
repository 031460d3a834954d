//! The keyring: where data keys live, wrapped by the master key.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use moka::sync::Cache;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::keyring_store as sql;
use super::person::PersonKey;
use super::roots::{self, Purpose, RootKeys};
use super::seal::{SealError, framed};
use super::{KeyId, Random};
use crate::args;
use crate::db::{Db, DbError, Row, hex};
use crate::time::{Clock, Timestamp};

/// Expanded keys kept in memory at most.
const CACHED_KEYS: u64 = 100_000;
/// How long a key may stay there, whether used or not.
const CACHED_FOR: Duration = Duration::from_secs(600);
/// The purpose of the key behind blind indexes.
const INDEX: &str = "blind-index";

/// The keyring: a store of its own (own SQLite file / own PostgreSQL schema) of wrapped person keys
/// and installation keys. Clones share its cache.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    store: Db,
    roots: RootKeys,
    random: Random,
    clock: Clock,
    index: hmac::Key,
    cache: Cache<Uuid, PersonKey>,
    /// Counts every `forget`, so that a look-up which overlaps with one does not cache what it read before.
    forgotten: AtomicU64,
}

impl Keyring {
    /// Creates what is missing (installation keys), checks that the configured master key opens them.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] when the configured master key is not the one this data was sealed
    /// with; [`SealError::Altered`] when the installation key was tampered with; [`SealError::Db`].
    pub async fn open(store: Db, roots: RootKeys, random: Random, clock: Clock) -> Result<Self, SealError> {
        let index = index_key(&store, &roots, &random, clock.now()).await?;
        let cache = Cache::builder().max_capacity(CACHED_KEYS).time_to_live(CACHED_FOR).build();
        let index = hmac::Key::new(HMAC_SHA256, &*index);
        Ok(Self(Arc::new(Inner { store, roots, random, clock, index, cache, forgotten: AtomicU64::new(0) })))
    }

    /// Makes and stores the key of a new person.
    ///
    /// # Errors
    /// [`SealError::Db`] with [`DbError::Unique`] when the person has one already.
    pub async fn create(&self, person: Uuid) -> Result<PersonKey, SealError> {
        let inner = &self.0;
        let key = Zeroizing::new(inner.random.bytes::<32>());
        let wrapped = inner.roots.seal(Purpose::WrapKeys, &person_place(person), &*key);
        let arguments = args![person, wrapped, inner.roots.current(), inner.clock.now()];
        let (_, added) = inner.store.write_one(sql::ADD_PERSON, arguments).await?;
        affected_one(added)?;
        let key = PersonKey::new(person, &key, inner.random.clone());
        inner.cache.insert(person, key.clone());
        Ok(key)
    }

    /// Makes and stores the keys of many new people in one statement, in the order of `persons`. They are not kept in
    /// memory: whoever imports thousands does not speak for them.
    ///
    /// # Errors
    /// As [`Keyring::create`].
    pub async fn create_many(&self, persons: &[Uuid]) -> Result<Vec<PersonKey>, SealError> {
        let inner = &self.0;
        let (mut keys, mut rows) = (Vec::with_capacity(persons.len()), Vec::with_capacity(persons.len()));
        for &person in persons {
            let key = Zeroizing::new(inner.random.bytes::<32>());
            let wrapped = inner.roots.seal(Purpose::WrapKeys, &person_place(person), &*key);
            rows.push([person.simple().to_string(), hex(&wrapped)]);
            keys.push(PersonKey::new(person, &key, inner.random.clone()));
        }
        let rows = serde_json::to_string(&rows).map_err(|error| DbError::Other(error.to_string()))?;
        inner.store.write_one(sql::ADD_PERSONS, args![rows, inner.roots.current(), inner.clock.now()]).await?;
        Ok(keys)
    }

    /// From the cache, else from the store.
    ///
    /// # Errors
    /// [`SealError::Erased`] when there is none; [`SealError::UnknownKey`] when its master key was
    /// taken out of the configuration too early; [`SealError::Db`].
    pub async fn get(&self, person: Uuid) -> Result<PersonKey, SealError> {
        if let Some(key) = self.0.cache.get(&person) {
            return Ok(key);
        }
        let before = self.0.forgotten.load(Ordering::SeqCst);
        let row = self.0.store.query_opt(sql::PERSON, args![person]).await?.ok_or(SealError::Erased)?;
        self.admit(person, &row.get::<Vec<u8>>(0)?, before)
    }

    /// Several at once in one query (lists never query in a loop; above 64 missing ones, one query
    /// for each 64); erased ones are missing from the answer.
    ///
    /// # Errors
    /// As [`Keyring::get`], except that nobody is reported as erased.
    pub async fn get_many(&self, persons: &[Uuid]) -> Result<HashMap<Uuid, PersonKey>, SealError> {
        self.many(persons, true).await
    }

    /// The same without keeping them in memory: whoever reads everybody does not speak for them, and must not drive out the keys of
    /// those who are active.
    ///
    /// # Errors
    /// As [`Keyring::get_many`].
    pub async fn read_many(&self, persons: &[Uuid]) -> Result<HashMap<Uuid, PersonKey>, SealError> {
        self.many(persons, false).await
    }

    async fn many(&self, persons: &[Uuid], keep: bool) -> Result<HashMap<Uuid, PersonKey>, SealError> {
        let mut found = HashMap::with_capacity(persons.len());
        let mut missing = Vec::new();
        for &person in persons {
            match self.0.cache.get(&person) {
                Some(key) => drop(found.insert(person, key)),
                None => missing.push(person),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        for chunk in missing.chunks(sql::PERSONS_AT_ONCE) {
            let before = self.0.forgotten.load(Ordering::SeqCst);
            // Places that are left over repeat a person who is asked for anyway.
            let asked = (0..sql::PERSONS_AT_ONCE).map(|place| chunk[place.min(chunk.len() - 1)].into()).collect();
            for row in self.0.store.query(sql::PERSONS, asked).await? {
                let (person, wrapped): (Uuid, Vec<u8>) = (row.get(0)?, row.get(1)?);
                let key = if keep { self.admit(person, &wrapped, before)? } else { self.unwrapped(person, &wrapped)? };
                found.insert(person, key);
            }
        }
        Ok(found)
    }

    /// Destroys a person's key: what it sealed can never be opened again, in no copy of the data.
    /// Other instances still hold it in their caches until they are told to [`Keyring::forget`] it,
    /// ten minutes at most.
    ///
    /// # Errors
    /// [`SealError::Erased`] when there was none (any more); [`SealError::Db`].
    pub async fn destroy(&self, person: Uuid) -> Result<(), SealError> {
        let removed = self.0.store.write_one(sql::REMOVE_PERSON, args![person]).await;
        self.forget(person);
        match removed?.1 {
            0 => Err(SealError::Erased),
            _ => Ok(()),
        }
    }

    /// Drops a person from this process's cache (another instance destroyed the key).
    pub fn forget(&self, person: Uuid) {
        self.0.forgotten.fetch_add(1, Ordering::SeqCst);
        self.0.cache.invalidate(&person);
    }

    /// HMAC-SHA-256 blind index of a normalised value under the installation's index key: equal for
    /// equal values of one field, and stable under master key rotation.
    pub fn blind_index(&self, field: &str, normalised: &str) -> [u8; 32] {
        roots::mac(&self.0.index, &[field.as_bytes(), normalised.as_bytes()])
    }

    /// Rewraps the installation keys and up to `batch` person keys that an older master key wrapped;
    /// returns how many person keys are left. Call it until it answers 0, then the older master key
    /// may leave the configuration.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] when keys are left whose master key is not configured: put it back.
    pub async fn rewrap(&self, batch: u32) -> Result<u64, SealError> {
        self.rewrap_installation().await?;
        let current = self.0.roots.current();
        let mut room = batch;
        for older in self.0.roots.ids().into_iter().filter(|id| *id != current) {
            room = room.saturating_sub(self.rewrap_from(older, room).await?);
        }
        let left = self.0.store.query_opt(sql::LEFT_TO_REWRAP, args![current]).await?;
        let left = left.map_or(Ok(0), |row| row.get::<i64>(0))?;
        // Nothing found under the configured keys and yet some left: a loop would never end.
        if left > 0 && room == batch && batch > 0 {
            return Err(SealError::UnknownKey);
        }
        Ok(u64::try_from(left).unwrap_or(0))
    }

    /// A page of at most `limit` persons, by id and after `after`, whose keys were created before
    /// `older_than`. A sweep compares them with the accounts: a key is created just before its
    /// account, and stays behind when creating the account fails.
    ///
    /// # Errors
    /// [`SealError::Db`].
    pub async fn orphans(&self, older_than: Timestamp, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, SealError> {
        let arguments = args![after.unwrap_or(Uuid::nil()), older_than, limit];
        let rows = self.0.store.query(sql::CREATED_BEFORE, arguments).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
    }

    fn unwrapped(&self, person: Uuid, wrapped: &[u8]) -> Result<PersonKey, SealError> {
        let key = unwrap_key(&self.0.roots, &person_place(person), wrapped)?;
        Ok(PersonKey::new(person, &key, self.0.random.clone()))
    }

    /// Unwraps and caches, unless someone was forgotten since the row was read.
    fn admit(&self, person: Uuid, wrapped: &[u8], before: u64) -> Result<PersonKey, SealError> {
        let key = self.unwrapped(person, wrapped)?;
        self.0.cache.insert(person, key.clone());
        if self.0.forgotten.load(Ordering::SeqCst) != before {
            self.0.cache.invalidate(&person);
        }
        Ok(key)
    }

    /// Rewraps up to `limit` person keys of one older master key; returns how many it found.
    async fn rewrap_from(&self, older: KeyId, limit: u32) -> Result<u32, SealError> {
        let rows = self.0.store.query(sql::WRAPPED_BY, args![older, limit]).await?;
        let fresh = rows.iter().map(|row| self.rewrapped(row)).collect::<Result<Vec<_>, _>>()?;
        let found = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        if found > 0 {
            let current = self.0.roots.current();
            self.0
                .store
                .write(async move |tx| {
                    for (person, wrapped) in &fresh {
                        // No row: erased, or another instance was faster. Both are fine.
                        tx.execute(sql::REWRAP_PERSON, args![wrapped.clone(), current, *person, older]).await?;
                    }
                    Ok::<_, SealError>(())
                })
                .await?;
        }
        Ok(found)
    }

    fn rewrapped(&self, row: &Row) -> Result<(Uuid, Vec<u8>), SealError> {
        let person: Uuid = row.get(0)?;
        let place = person_place(person);
        let key = unwrap_key(&self.0.roots, &place, &row.get::<Vec<u8>>(1)?)?;
        Ok((person, self.0.roots.seal(Purpose::WrapKeys, &place, &*key)))
    }

    async fn rewrap_installation(&self) -> Result<(), SealError> {
        for row in self.0.store.query(sql::INSTALLATIONS, args![]).await? {
            let (purpose, wrapped): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            if !self.0.roots.is_current(&wrapped) {
                let place = installation_place(&purpose);
                let key = unwrap_key(&self.0.roots, &place, &wrapped)?;
                let fresh = self.0.roots.seal(Purpose::WrapKeys, &place, &*key);
                self.0.store.write_one(sql::REWRAP_INSTALLATION, args![fresh, purpose, wrapped]).await?;
            }
        }
        Ok(())
    }
}

/// Reads the key behind blind indexes; makes it first when there is none. Two instances that start
/// together end with the same: the first row stays, and both read it back.
async fn index_key(store: &Db, roots: &RootKeys, random: &Random, now: Timestamp) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let place = installation_place(INDEX);
    if let Some(row) = store.query_opt(sql::INSTALLATION, args![INDEX]).await? {
        return unwrap_key(roots, &place, &row.get::<Vec<u8>>(0)?);
    }
    let key = Zeroizing::new(random.bytes::<32>());
    let wrapped = roots.seal(Purpose::WrapKeys, &place, &*key);
    let stored = store
        .write(async move |tx| {
            tx.execute(sql::ADD_INSTALLATION, args![INDEX, wrapped.clone(), now]).await?;
            let row = tx.query_opt(sql::INSTALLATION, args![INDEX]).await?;
            row.ok_or_else(|| DbError::Decode("the installation key vanished while it was created".into()))?.get::<Vec<u8>>(0)
        })
        .await?;
    unwrap_key(roots, &place, &stored)
}

fn unwrap_key(roots: &RootKeys, place: &[u8], wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let plain = Zeroizing::new(roots.open(Purpose::WrapKeys, place, wrapped)?);
    let mut key = Zeroizing::new([0; 32]);
    if plain.len() != key.len() {
        return Err(SealError::Altered);
    }
    key.copy_from_slice(&plain);
    Ok(key)
}

fn person_place(person: Uuid) -> Vec<u8> {
    framed(&[b"person_keys", person.as_bytes()])
}

fn installation_place(purpose: &str) -> Vec<u8> {
    framed(&[b"installation_keys", purpose.as_bytes()])
}

/// A statement that must have changed exactly one row.
fn affected_one(rows: u64) -> Result<(), DbError> {
    if rows == 1 { Ok(()) } else { Err(DbError::Other(format!("one row was to change, {rows} did"))) }
}
