//! What every feature stands on: the parts of the floor, built once per instance and passed explicitly.

use std::ops::Deref;
use std::sync::Arc;

use crate::config::Settings;
use crate::db::Db;
use crate::http::{Csrf, Limiter};
use crate::jobs::Jobs;
use crate::secret::{Keyring, PasswordPool, Random, RootKeys, Signer};
use crate::shared::Shared;
use crate::time::Clock;

/// The parts; reached through [`Ground`].
pub struct Parts {
    /// Every setting, validated.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// The database of the installation.
    pub db: Db,
    /// The store of the keyring.
    pub vault: Db,
    /// Each person's key.
    pub keyring: Keyring,
    /// Keys derived from the master keys.
    pub roots: RootKeys,
    /// Signs and verifies access tokens.
    pub signer: Signer,
    /// Hashes passwords on threads of its own.
    pub password_pool: PasswordPool,
    /// State that instances share.
    pub shared: Shared,
    /// The durable queue.
    pub jobs: Jobs,
    /// Request limits.
    pub limiter: Limiter,
    /// Cross-site checks.
    pub csrf: Csrf,
}

/// A cheap handle to the [`Parts`].
#[derive(Clone)]
pub struct Ground(Arc<Parts>);

impl Ground {
    /// Takes the finished parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Ground {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
