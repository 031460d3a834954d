//! Fresh stores on either engine, and what is opened on them.

use std::time::Duration;

use keystead::db::Db;
use keystead::secret::{Keyring, Random, SealError, Signer};
use keystead::time::{Clock, Timestamp};

use super::support::roots;

/// 2026-09-21, some time in the afternoon.
pub const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
/// The issuer of the tests.
pub const ISSUER: &str = "https://id.example.com";
/// The lifetime of access tokens.
pub const ACCESS_TTL: Duration = Duration::from_secs(900);

const MAIN: &str = include_str!("../../../migrations/main/0002_signing_keys.sql");
const KEYRING: &str = include_str!("../../../migrations/keyring/0001_keyring.sql");

/// The two stores of an installation, empty.
pub struct Store {
    pub main: Db,
    pub keyring: Db,
}

impl Store {
    pub async fn sqlite() -> Self {
        Self { main: Db::stub_sqlite(MAIN), keyring: Db::stub_sqlite(KEYRING) }
    }

    pub async fn postgres() -> Self {
        let url = std::env::var("KEYSTEAD_TEST_POSTGRES").expect("KEYSTEAD_TEST_POSTGRES names a throwaway server");
        Self { main: Db::stub_postgres(&url, MAIN).await, keyring: Db::stub_postgres(&url, KEYRING).await }
    }
}

/// Runs a test on both engines, each time on empty stores.
pub async fn each_store(test: impl AsyncFn(Store)) {
    test(Store::sqlite().await).await;
    test(Store::postgres().await).await;
}

/// A clock that stands at [`NOW`].
pub fn clock() -> Clock {
    Clock::frozen(NOW)
}

/// The keyring under these master keys (see [`roots`]).
pub async fn open_keyring(store: &Store, keys: &[u8]) -> Result<Keyring, SealError> {
    Keyring::open(store.keyring.clone(), roots(keys), Random::system(), clock()).await
}

/// The same where it has to open.
pub async fn keyring(store: &Store, keys: &[u8]) -> Keyring {
    open_keyring(store, keys).await.unwrap()
}

/// The signer under these master keys.
pub async fn open_signer(store: &Store, keys: &[u8]) -> Result<Signer, SealError> {
    Signer::open(store.main.clone(), roots(keys), Random::system(), clock(), ACCESS_TTL).await
}
