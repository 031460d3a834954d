//! Ed25519 signing keys of the installation: stored sealed in the database, rotated with overlap.
//!
//! Life of a key: published at once, signing from `active_from`, retired when a newer one becomes
//! active, published until the last token it can have signed has expired. Whoever verifies tokens
//! therefore always knows a key before it meets its first token.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::json;
use zeroize::Zeroizing;

use super::signing_key::{self, KeyState, NewKey, PublishedKey, SigningKey};
use super::signing_keys_store as sql;
use super::token::{self, TokenError, Unverified};
use super::{Random, RootKeys, SealError};
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::{Clock, Timestamp};

/// How long a new key is published before it signs. Clients and proxies may keep the key set for
/// 60 s and instances reload it well within another 60 s, so everyone knows the key by then.
pub const PUBLISH_AHEAD: Duration = Duration::from_secs(120);

/// How long a retired key stays published beyond the lifetime of its last token: the clocks of
/// instances and of other services that verify with leeway.
pub const EXPIRY_LEEWAY: Duration = Duration::from_secs(60);

/// How long the public half of a withdrawn key is kept, for tokens that are shown long after they expired: a hint that says
/// which session somebody wants to end (OpenID Connect RP-Initiated Logout section 2).
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Signs and verifies tokens. Clones share the keys; nothing here waits except `rotate`, `reload` and `reseal`.
#[derive(Clone)]
pub struct Signer(Arc<Inner>);

struct Inner {
    db: Db,
    roots: RootKeys,
    random: Random,
    clock: Clock,
    access_ttl: Duration,
    keys: RwLock<Arc<Keys>>,
}

/// A key pair that is about to be published; see [`Signer::publish`].
pub struct NextKey {
    key: NewKey,
    at: Timestamp,
}

impl NextKey {
    /// The kid it will have.
    pub fn kid(&self) -> &str {
        &self.key.kid
    }
}

/// Why the keys are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody wants a new key.
    Wish,
    /// The newest key was made this long ago.
    Age(Duration),
}

/// The published keys, oldest first.
type Keys = Vec<Arc<SigningKey>>;

impl Signer {
    /// Loads the keys; creates the first one on an empty database. `access_ttl` is the longest life
    /// of a signed token.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] when the configured master key is not the one the keys were sealed
    /// with; [`SealError::Altered`]; [`SealError::Db`].
    pub async fn open(db: Db, roots: RootKeys, random: Random, clock: Clock, access_ttl: Duration) -> Result<Self, SealError> {
        let signer = Self(Arc::new(Inner { db, roots, random, clock, access_ttl, keys: RwLock::default() }));
        signer.create_first().await?;
        signer.reload().await?;
        Ok(signer)
    }

    /// A compact JWS over `claims`; `typ` as in RFC 9068 (`at+jwt`).
    ///
    /// # Errors
    /// [`TokenError::Invalid`] when the claims are no JSON or no key may sign.
    pub fn sign(&self, typ: &'static str, claims: &impl serde::Serialize) -> Result<String, TokenError> {
        let now = self.0.clock.now();
        let keys = self.keys();
        token::sign(signing(&keys, now).ok_or(TokenError::Invalid)?, typ, claims)
    }

    /// The published keys for operators, oldest first.
    pub fn published(&self) -> Vec<PublishedKey> {
        let (now, keys) = (self.0.clock.now(), self.keys());
        let signing = signing(&keys, now).map(|key| key.kid.as_str());
        let state = |key: &SigningKey| match () {
            () if Some(key.kid.as_str()) == signing => KeyState::Current,
            () if key.active_from > now => KeyState::Next,
            () => KeyState::Retired,
        };
        keys.iter().filter(|key| key.is_published(now)).map(|key| key.describe(state(key))).collect()
    }

    /// Checks `typ`, `alg`, `kid`, the signature, `iss`, `exp`, `nbf` and `iat` at `now` and returns
    /// the claims. `exp` has no leeway, `nbf` and `iat` have [`super::NOT_BEFORE_LEEWAY`].
    ///
    /// # Errors
    /// [`TokenError::Expired`] for a token of this installation past its `exp`, else [`TokenError::Invalid`].
    pub fn verify<C: serde::de::DeserializeOwned>(&self, typ: &str, token: &str, issuer: &str, now: Timestamp) -> Result<C, TokenError> {
        let token = Unverified::parse(token, typ)?;
        let keys = self.keys();
        let key = keys.iter().find(|key| key.kid == token.kid() && key.is_published(now)).ok_or(TokenError::Invalid)?;
        token.verify(key, issuer, now)
    }

    /// The claims of a token of this installation that may have expired, signed by a key that may have been withdrawn; `None` for
    /// anything else. It proves that its holder was given it, and nothing more.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn verify_past<C: serde::de::DeserializeOwned>(&self, typ: &str, token: &str, issuer: &str) -> Result<Option<C>, SealError> {
        let Ok(token) = Unverified::parse(token, typ) else { return Ok(None) };
        let (now, keys) = (self.0.clock.now(), self.keys());
        let key = match keys.iter().find(|key| key.kid == token.kid()) {
            Some(key) => key.clone(),
            None => match self.0.db.query_opt(sql::FIND, args![token.kid().to_owned()]).await? {
                Some(row) => Arc::new(self.load(&row, now, &mut None)?),
                None => return Ok(None),
            },
        };
        Ok(token.verify_past(&key, issuer, now).ok())
    }

    /// The published key set (RFC 7517): current, coming and overlapping keys, oldest first.
    pub fn jwks(&self) -> String {
        let now = self.0.clock.now();
        let keys: Vec<_> = self.keys().iter().filter(|key| key.is_published(now)).map(|key| key.to_jwk()).collect();
        json!({ "keys": keys }).to_string()
    }

    /// Publishes a new key; it signs after [`PUBLISH_AHEAD`], the old one stays published until its
    /// last token expired. Returns the new kid. Of keys that ended before, the private half is deleted, and
    /// three months later the rest.
    ///
    /// # Errors
    /// [`SealError::Db`], with [`DbError::Unique`] when another instance rotated at the same microsecond.
    pub async fn rotate(&self) -> Result<String, SealError> {
        let next = self.next_key()?;
        let (this, kid) = (self.clone(), next.kid().to_owned());
        self.0.db.write(async move |tx| this.publish(tx, &next).await).await?;
        self.reload().await?;
        Ok(kid)
    }

    /// Makes the key pair of a rotation whose transaction is the caller's: [`Signer::publish`] it there, beside
    /// what else belongs to it, and [`Signer::reload`] afterwards.
    ///
    /// # Errors
    /// [`SealError::Altered`] when the random seed makes no key, which does not happen.
    pub fn next_key(&self) -> Result<NextKey, SealError> {
        Ok(NextKey { key: self.new_key()?, at: self.0.clock.now() })
    }

    /// The same as [`Signer::publish`], if `trigger` still asks for it: `false`, and nothing is done, when the newest key does not
    /// sign yet or is not old enough. Of several callers at the same moment, on whichever instances, one publishes.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn publish_once(&self, tx: &mut Tx, next: &NextKey, trigger: Trigger) -> Result<bool, DbError> {
        tx.execute(sql::HOLD, args![]).await?;
        let Some(row) = tx.query_opt(sql::NEWEST, args![]).await? else { return Ok(false) };
        let (active_from, created_at): (Option<Timestamp>, Option<Timestamp>) = (row.get(0)?, row.get(1)?);
        let old_enough = match trigger {
            Trigger::Wish => true,
            Trigger::Age(age) => created_at.is_none_or(|made| made.plus(age) <= next.at),
        };
        if !old_enough || active_from.is_some_and(|from| from > next.at) {
            return Ok(false);
        }
        self.publish(tx, next).await.map(|()| true)
    }

    /// Publishes `next` and retires what it replaces, in the main database's transaction `tx`.
    ///
    /// # Errors
    /// [`DbError::Unique`] when another instance rotated at the same microsecond.
    pub async fn publish(&self, tx: &mut Tx, next: &NextKey) -> Result<(), DbError> {
        let NextKey { key, at } = next;
        let tail = self.0.access_ttl + EXPIRY_LEEWAY;
        tx.execute(sql::FORGET, args![*at, Vec::<u8>::new()]).await?;
        tx.execute(sql::PRUNE, args![at.minus(REMEMBERED)]).await?;
        let newest = tx.query_opt(sql::NEWEST, args![]).await?.map_or(Ok(None), |row| row.get::<Option<Timestamp>>(0))?;
        // Later than every key that is already announced, so that the order of rotations is the order of keys.
        let after = newest.unwrap_or_default().plus(Duration::from_micros(1));
        let active_from = at.plus(PUBLISH_AHEAD).max(after);
        if tx.execute(sql::ADD, new_row(key, *at, active_from)).await? != 1 {
            return Err(DbError::Unique("signing_keys.active_from".into()));
        }
        tx.execute(sql::RETIRE, args![active_from, active_from.plus(tail), key.kid.clone()]).await?;
        Ok(())
    }

    /// Reads the keys again (another instance or the command line rotated); cheap; called on a timer
    /// by app.rs, at least once a minute.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] when a key that is to sign was sealed by a master key this instance
    /// does not have. Its tokens are verified all the same.
    pub async fn reload(&self) -> Result<(), SealError> {
        let now = self.0.clock.now();
        // Inside a writing transaction: never answered by a replica that lags behind.
        let rows = self.0.db.write(async move |tx| tx.query(sql::PUBLISHED, args![now]).await).await?;
        let mut failure = None;
        let mut keys = Keys::with_capacity(rows.len());
        for row in &rows {
            keys.push(Arc::new(self.load(row, now, &mut failure)?));
        }
        keys.sort_by(|a, b| (a.active_from, &a.kid).cmp(&(b.active_from, &b.kid)));
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        failure.map_or(Ok(()), Err)
    }

    /// Seals private keys that an older master key sealed anew under the current one; returns how
    /// many. Belongs to a master key rotation, beside [`super::Keyring::rewrap`].
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] when a key's master key is not configured; [`SealError::Db`].
    pub async fn reseal(&self) -> Result<u64, SealError> {
        let now = self.0.clock.now();
        let rows = self.0.db.write(async move |tx| tx.query(sql::PUBLISHED, args![now]).await).await?;
        let mut changed = 0;
        for row in rows {
            let (kid, sealed): (String, Vec<u8>) = (row.get(0)?, row.get(2)?);
            if !self.0.roots.is_current(&sealed) {
                let fresh = signing_key::reseal(&self.0.roots, &kid, &sealed)?;
                changed += self.0.db.write_one(sql::RESEAL, args![fresh, kid, sealed]).await?.1;
            }
        }
        Ok(changed)
    }

    /// One row as a key. A private half that cannot be opened is reported in `failure` while the key
    /// is to sign, and the key still verifies.
    fn load(&self, row: &Row, now: Timestamp, failure: &mut Option<SealError>) -> Result<SigningKey, SealError> {
        let retired_at: Option<Timestamp> = row.get(4)?;
        let mut key = SigningKey::published(row.get(0)?, row.get(1)?, row.get(6)?, row.get(3)?, row.get(5)?)?;
        if let Err(error) = key.unseal(&self.0.roots, &row.get::<Vec<u8>>(2)?)
            && retired_at.is_none_or(|at| at > now)
        {
            *failure = Some(error);
        }
        Ok(key)
    }

    /// On an empty table: the first key, active since ever, which the unique `active_from` lets exactly one instance add.
    async fn create_first(&self) -> Result<(), SealError> {
        let now = self.0.clock.now();
        let key = self.new_key()?;
        let create = async move |tx: &mut crate::db::Tx| {
            let newest = tx.query_opt(sql::NEWEST, args![]).await?.map_or(Ok(None), |row| row.get::<Option<Timestamp>>(0))?;
            if newest.is_none() {
                // No row added: another instance was faster, and its key is the first one.
                tx.execute(sql::ADD, new_row(&key, now, Timestamp::default())).await?;
            }
            Ok::<_, DbError>(())
        };
        Ok(self.0.db.write(create).await?)
    }

    fn new_key(&self) -> Result<NewKey, SealError> {
        NewKey::from_seed(&Zeroizing::new(self.0.random.bytes()), &self.0.roots)
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The key that signs: every instance picks the same, the newest that is active, by kid when two are equally new.
fn signing(keys: &Keys, now: Timestamp) -> Option<&Arc<SigningKey>> {
    keys.iter().rev().find(|key| key.can_sign(now))
}

fn new_row(key: &NewKey, now: Timestamp, active_from: Timestamp) -> Vec<crate::db::Value> {
    args![key.kid.clone(), key.public.clone(), key.sealed.clone(), now, active_from]
}
