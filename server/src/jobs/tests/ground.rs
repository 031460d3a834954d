//! A fresh database on either engine, a clock that stands still, and the queue on top.
use std::time::Duration;

use keystead::config::MasterKey;
use keystead::db::Db;
use keystead::jobs::Jobs;
use keystead::secret::{Random, RootKeys};
use keystead::time::{Clock, Timestamp};

use crate::support;

#[derive(Clone, Copy)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub struct Ground {
    pub db: Db,
    pub clock: Clock,
    pub roots: RootKeys,
    pub random: Random,
    installation: support::Ground,
}

impl Ground {
    pub async fn new(engine: Engine) -> Self {
        let store = match engine {
            Engine::Sqlite => support::Store::Sqlite,
            Engine::Postgres => support::Store::Postgres,
        };
        let installation = support::Ground::migrated(store).await;
        let db = support::database(&installation, keystead::db::Store::Main);
        let key = MasterKey { id: "test".into(), key: zeroize::Zeroizing::new([7; 32]) };
        Self {
            db,
            clock: Clock::frozen(Timestamp::from_secs(1_772_700_000)),
            roots: RootKeys::new(&[key]),
            random: Random::seeded(7),
            installation,
        }
    }

    /// Where the database is.
    pub fn url(&self) -> String {
        self.installation.database_url()
    }

    /// A queue as another process would have it: it shares nothing but the database, the keys and the clock.
    pub fn jobs(&self) -> Jobs {
        Jobs::new(self.db.clone(), self.roots.clone(), self.random.clone(), self.clock.clone())
    }
}

macro_rules! both_engines {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::jobs::ground::Engine::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::jobs::ground::Engine::Postgres).await;
            })+
        }
    };
}
pub(crate) use both_engines;

/// Asks `look` every few milliseconds until it answers, at most five seconds; then fails naming `what`.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited five seconds in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
