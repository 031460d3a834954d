//! The store: one SQL text for both engines, and the only place that names an engine.
//!
//! [`Db::read`] and [`Db::write`] take an async closure over a [`Tx`]; it commits on `Ok`, rolls back on
//! `Err`, may run more than once, owns what it captures, and awaits nothing but its `Tx`. [`Db::query`] and
//! [`Db::write_one`] are the same for a single statement, at a single statement's cost. Slices declare
//! their statements with [`statements!`](crate::statements) in their `store.rs` and bind with
//! [`args!`](crate::args).
//!
//! SQLite runs on threads of its own with group commit (`sqlite`), PostgreSQL through a pool (`postgres`).
//! State check and state change are one statement, and affected rows are looked at: SQLite's single writer
//! hides the race that PostgreSQL shows.

mod error;
mod line;
mod metrics;
pub mod migrate;
mod migrations;
mod postgres;
mod purge;
mod session;
mod sql;
mod sqlite;
mod target;
mod tx;
mod value;

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

pub use error::DbError;
pub use line::{Exchange, LONGEST, Line};
pub use purge::{PURGE_ROWS, purged};
pub use sql::Sql;
pub use target::{PostgresTarget, TargetError};
pub use tx::Tx;
pub use value::{FromValue, Row, Value, hex};

use self::postgres::Postgres;
use self::sqlite::Sqlite;
use crate::config;

/// Which store of the installation: they are kept apart, so that a copy of one says nothing of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Everything but the keys.
    Main,
    /// The keyring: its own file, or its own schema.
    Keyring,
}

/// A store; clones share it.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    replica: Option<Postgres>,
    store: Store,
}

/// What PostgreSQL has to wait for is boxed at this border: the futures of everything above stay small, and on SQLite
/// nobody carries them along.
#[derive(Clone)]
enum Engine {
    Sqlite(Arc<Sqlite>),
    Postgres(Postgres),
}

/// How busy a store's connections are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections at work.
    pub in_use: usize,
    /// Connections that wait for work.
    pub idle: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
}

/// Connections to the keyring: it is read once per person and then from memory.
const KEYRING_CONNECTIONS: usize = 2;

impl Db {
    /// Opens a store. SQLite files are created when missing; PostgreSQL is connected to when first used.
    pub fn open(settings: &config::Database, store: Store) -> Result<Self, DbError> {
        if let Some(path) = Self::file(settings, store) {
            let readers = match store {
                Store::Main => settings.max_connections,
                Store::Keyring => 1,
            };
            let engine = Engine::Sqlite(Arc::new(Sqlite::open(&path, readers, settings.acquire_timeout, store == Store::Keyring)?));
            return Ok(Self { engine, replica: None, store });
        }
        let wait = settings.acquire_timeout;
        let (size, schema) = match store {
            Store::Main => (settings.max_connections, None),
            Store::Keyring => (KEYRING_CONNECTIONS, Some("keyring")),
        };
        let connect = |url: &SecretString| Postgres::new(url.expose_secret(), size, wait, schema);
        let replica = settings.read_url.as_ref().filter(|_| store == Store::Main).map(connect).transpose()?;
        Ok(Self { engine: Engine::Postgres(connect(&settings.url)?), replica, store })
    }

    /// The file that a store is in, where it is one.
    pub fn file(settings: &config::Database, store: Store) -> Option<PathBuf> {
        let path = PathBuf::from(settings.url.expose_secret().strip_prefix("sqlite://")?);
        Some(match store {
            Store::Main => path,
            Store::Keyring => path.with_file_name("keyring.db"),
        })
    }

    /// The read replica; this store itself where there is none. It may lag behind.
    #[must_use]
    pub fn replica(&self) -> Self {
        match &self.replica {
            Some(replica) => Self { engine: Engine::Postgres(replica.clone()), replica: None, store: self.store },
            None => self.clone(),
        }
    }

    /// Many statements on one snapshot, read only.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(work).await,
            Engine::Postgres(postgres) => Box::pin(postgres.read(&work)).await,
        }
    }

    /// A transaction: durable when this returns `Ok`, undone on `Err`, run again when it loses against another.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(work).await,
            Engine::Postgres(postgres) => Box::pin(postgres.write(&work)).await,
        }
    }

    /// The rows of one reading statement.
    pub async fn query(&self, sql: Sql, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        let (rows, _) = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read_one(move |connection| tx::sqlite_run(connection, sql.sqlite, &args)).await?,
            Engine::Postgres(postgres) => Box::pin(postgres.read_one(sql.postgres, &args)).await?,
        };
        Ok(rows)
    }

    /// The first row of one reading statement.
    pub async fn query_opt(&self, sql: Sql, args: Vec<Value>) -> Result<Option<Row>, DbError> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// One writing statement that is its own transaction: the rows it returns, and how many it changed
    /// (for a statement that returns rows, how many it returned).
    pub async fn write_one(&self, sql: Sql, args: Vec<Value>) -> Result<(Vec<Row>, u64), DbError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.write_one(move |connection| tx::sqlite_run(connection, sql.sqlite, &args)).await,
            Engine::Postgres(postgres) => Box::pin(postgres.write_one(sql.postgres, &args)).await,
        }
    }

    /// Asks the engine to parse a statement against the schema without running it.
    pub async fn prepare(&self, sql: Sql) -> Result<(), DbError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read_one(move |connection| Ok(connection.prepare(sql.sqlite).map(drop)?)).await,
            Engine::Postgres(postgres) => Box::pin(postgres.prepare(sql.postgres)).await,
        }
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), DbError> {
        const PING: Sql = Sql { sqlite: "SELECT 1", postgres: "SELECT 1" };
        self.query(PING, Vec::new()).await.map(|_| ())
    }

    /// Which engine, for diagnostics.
    pub fn engine(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgresql",
        }
    }

    /// Whether the store is a file of this process, without a server that could be lost.
    pub fn is_embedded(&self) -> bool {
        matches!(self.engine, Engine::Sqlite(_))
    }

    /// Where processes on the same PostgreSQL tell each other things; `None` on SQLite, whose file has one process.
    pub fn exchange(&self) -> Option<Exchange> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(postgres) => Some(postgres.exchange()),
        }
    }

    /// How busy the connections are; on SQLite, the threads that own them.
    pub fn pool_status(&self) -> PoolStatus {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.status(),
            Engine::Postgres(postgres) => postgres.status(),
        }
    }

    /// Publishes [`Db::pool_status`] as metrics, those of the replica too; called before each scrape.
    pub fn report(&self) {
        let name = match self.store {
            Store::Main => "main",
            Store::Keyring => "keyring",
        };
        metrics::report(name, self.pool_status());
        if let Some(replica) = &self.replica {
            metrics::report("replica", replica.status());
        }
    }

    /// Finishes what is queued and closes the connections.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => {
                let sqlite = sqlite.clone();
                // Joining threads blocks; if the runtime is going down the threads end by themselves.
                let _ = tokio::task::spawn_blocking(move || sqlite.close()).await;
            }
            Engine::Postgres(postgres) => postgres.close(),
        }
        if let Some(replica) = &self.replica {
            replica.close();
        }
    }
}
