//! The store on both engines: values, transactions, faults, migrations.

#[path = "tests/faults.rs"]
mod faults;
#[path = "tests/files.rs"]
mod files;
#[path = "tests/migrations.rs"]
mod migrations;
#[path = "tests/pool.rs"]
mod pool;
#[path = "tests/proxy.rs"]
pub mod proxy;
#[path = "tests/races.rs"]
mod races;
#[path = "tests/transactions.rs"]
mod transactions;
#[path = "tests/values.rs"]
mod values;
#[path = "tests/writer.rs"]
mod writer;

use std::time::Duration;

use keystead::args;
use keystead::config;
use keystead::db::{Db, DbError, Sql, Store as Which};
use keystead::time::Timestamp;

use crate::support::{Ground, Store, database};

/// 2026-09-21, some time in the afternoon.
const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

const COUNT: Sql = sql("SELECT count(*) FROM counters");
const ADD: Sql = sql("INSERT INTO counters (id, name, n) VALUES ($1, $2, 0)");
const READ: Sql = sql("SELECT n FROM counters WHERE id = $1");

/// One text for both engines.
const fn sql(text: &'static str) -> Sql {
    Sql { sqlite: text, postgres: text }
}

/// An empty store with the table `counters`, and nothing else in it.
struct Bed {
    db: Db,
    ground: Ground,
}

impl Bed {
    async fn new(store: Store) -> Self {
        let ground = Ground::empty(store).await;
        let db = database(&ground, Which::Main);
        let table = sql("CREATE TABLE counters (id bigint PRIMARY KEY, name text UNIQUE, n bigint NOT NULL)");
        db.write_one(table, args![]).await.unwrap();
        Self { db, ground }
    }

    /// The same store by another path, or with less patience.
    fn open(&self, url: String, patience: Duration) -> Db {
        open(url, patience, Which::Main)
    }

    async fn add(&self, id: i64) -> Result<(), DbError> {
        add(&self.db, id).await
    }

    async fn count(&self) -> i64 {
        number(&self.db, COUNT).await
    }

    /// Many writes at once, which on SQLite share commits.
    async fn with_rows(store: Store, rows: i64) -> Self {
        let bed = Self::new(store).await;
        for id in 1..=rows {
            bed.add(id).await.unwrap();
        }
        bed
    }
}

fn settings(url: String, patience: Duration) -> config::Database {
    config::Database { url: url.into(), read_url: None, max_connections: 8, acquire_timeout: patience }
}

fn open(url: String, patience: Duration, which: Which) -> Db {
    Db::open(&settings(url, patience), which).unwrap()
}

async fn add(db: &Db, id: i64) -> Result<(), DbError> {
    db.write_one(ADD, args![id, format!("row {id}")]).await.map(drop)
}

async fn number(db: &Db, sql: Sql) -> i64 {
    db.query_opt(sql, args![]).await.unwrap().unwrap().get(0).unwrap()
}

async fn value_of(db: &Db, id: i64) -> i64 {
    db.query_opt(READ, args![id]).await.unwrap().unwrap().get(0).unwrap()
}
