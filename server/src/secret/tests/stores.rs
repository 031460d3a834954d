//! Fresh stores on either engine, and what is opened on them.

use std::time::Duration;

use keystead::db::Db;
use keystead::secret::{Keyring, Random, SealError, Signer};
use keystead::time::{Clock, Timestamp};

use super::support::roots;
use crate::support;

/// 2026-09-21, some time in the afternoon.
pub const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
/// The issuer of the tests.
pub const ISSUER: &str = "https://id.example.com";
/// The lifetime of access tokens.
pub const ACCESS_TTL: Duration = Duration::from_secs(900);

/// The two stores of an installation, empty.
pub struct Store {
    pub main: Db,
    pub keyring: Db,
    _installation: support::Ground,
}

impl Store {
    async fn on(store: support::Store) -> Self {
        let installation = support::Ground::empty(store).await;
        let [main, keyring] =
            [keystead::db::Store::Main, keystead::db::Store::Keyring].map(|which| support::database(&installation, which));
        main.migrate(NOW).await.unwrap();
        keyring.migrate(NOW).await.unwrap();
        Self { main, keyring, _installation: installation }
    }

    pub async fn sqlite() -> Self {
        Self::on(support::Store::Sqlite).await
    }

    pub async fn postgres() -> Self {
        Self::on(support::Store::Postgres).await
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
