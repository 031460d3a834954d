//! PostgreSQL's pool: connections that die, hang, are used up, or were prepared for a table that has changed since.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keystead::args;
use keystead::db::{Db, DbError, PoolStatus, Sql, Store as Which};

use super::{ADD, Bed, COUNT, open, settings, sql};
use crate::support::{Ground, Instance, Store, both_stores, database, eventually};

const NAP: Sql = sql("SELECT 1 FROM pg_sleep(0.05)");
const SLEEP: Sql = sql("SELECT 1 FROM pg_sleep(60)");
const PATIENCE: Duration = Duration::from_secs(1);

/// All eight connections of the pool are made.
async fn warm(db: &Db) {
    let all = join_all((0..8).map(|_| db.query(NAP, args![]))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    eventually("an idle pool", async || (db.pool_status() == PoolStatus { in_use: 0, idle: 8, waiting: 0 }).then_some(())).await;
}

async fn terminate_all(bed: &Bed) {
    let (admin, connection) = tokio_postgres::connect(&bed.ground.database_url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    admin.execute(&format!("SELECT pg_terminate_backend(pid) {others}"), &[]).await.unwrap();
    eventually("the end of all connections", async || {
        let left: i64 = admin.query_one(&format!("SELECT count(*) {others}"), &[]).await.unwrap().get(0);
        (left == 0).then_some(())
    })
    .await;
    drop(admin);
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_ended_are_replaced_unnoticed() {
    let bed = Bed::new(Store::Postgres).await;
    for round in 0..5i64 {
        warm(&bed.db).await;
        terminate_all(&bed).await;
        let calls = join_all((0..8).map(|_| async { bed.db.query(COUNT, args![]).await.map(drop) })).await;
        assert!(calls.iter().all(Result::is_ok), "{calls:?}");
        warm(&bed.db).await;
        terminate_all(&bed).await;
        let name = format!("row {round}");
        bed.db.write(async move |tx| tx.execute(ADD, args![round, name.clone()]).await).await.unwrap();
        let read = bed.db.read(async |tx| Ok::<i64, DbError>(tx.query_opt(COUNT, args![]).await?.unwrap().get(0)?)).await;
        assert_eq!(read.unwrap(), round + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_no_connection_is_told_in_time() {
    let bed = Bed::new(Store::Postgres).await;
    let db = bed.open(bed.ground.database_url(), PATIENCE);
    let sleepers: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.query(SLEEP, args![]).await.map(drop) })
        })
        .collect();
    eventually("a pool that is used up", async || (db.pool_status().in_use == 8).then_some(())).await;
    let started = Instant::now();
    let (read, written, status) = tokio::join!(db.ping(), super::add(&db, 1), async {
        eventually("two that wait", async || (db.pool_status().waiting == 2).then_some(())).await;
    });
    let took = started.elapsed();
    assert!(matches!((&read, &written), (Err(DbError::Unavailable(_)), Err(DbError::Unavailable(_)))), "{read:?} {written:?} {status:?}");
    assert!(took >= PATIENCE && took < PATIENCE * 3, "{took:?}");

    // Their callers give up; the statements run on. Nobody gets such a connection, and the pool is whole again.
    sleepers.iter().for_each(tokio::task::JoinHandle::abort);
    eventually("a pool that recovers", async || db.ping().await.ok()).await;
    eventually("all connections at rest", async || (db.pool_status().in_use == 0).then_some(())).await;
    super::add(&db, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_statement_gives_its_connection_back() {
    let bed = Bed::new(Store::Postgres).await;
    warm(&bed.db).await;
    let pids = async || {
        let rows = join_all((0..8).map(|_| bed.db.query(sql("SELECT pg_backend_pid() FROM pg_sleep(0.05)"), args![]))).await;
        let mut pids: Vec<i64> = rows.into_iter().map(|rows| rows.unwrap()[0].get(0).unwrap()).collect();
        pids.sort_unstable();
        pids
    };
    let before = pids().await;
    for _ in 0..8 {
        assert!(tokio::time::timeout(Duration::from_millis(10), bed.db.query(NAP, args![])).await.is_err());
        let write = bed.db.write(async |tx| tx.query(NAP, args![]).await.map(drop));
        assert!(tokio::time::timeout(Duration::from_millis(10), write).await.is_err());
    }
    eventually("all connections at rest", async || (bed.db.pool_status().in_use == 0).then_some(())).await;
    assert_eq!(pids().await, before, "a client that hangs up costs no connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_was_changed_does_not_break_prepared_statements() {
    const NAMES: Sql = sql("SELECT n FROM counters WHERE id = $1");
    let bed = Bed::with_rows(Store::Postgres, 1).await;
    let held = join_all((0..8).map(|_| {
        bed.db.read(async |tx| {
            tx.query(NAP, args![]).await?;
            tx.query(NAMES, args![1]).await.map(drop)
        })
    }))
    .await;
    assert!(held.iter().all(Result::is_ok), "prepared on every connection: {held:?}");
    for (change, expected) in [("text USING 'seven'", "seven"), ("varchar(9) USING 'eight'", "eight")] {
        let change: &'static str = format!("ALTER TABLE counters ALTER COLUMN n TYPE {change}").leak();
        bed.db.write_one(sql(change), args![]).await.unwrap();
        let alone = bed.db.query(NAMES, args![1]).await.unwrap();
        assert_eq!(alone[0].get::<String>(0).unwrap(), expected);
        let read = bed.db.read(async |tx| tx.query(NAMES, args![1]).await).await.unwrap();
        assert_eq!(read[0].get::<String>(0).unwrap(), expected);
    }
    let update = sql("UPDATE counters SET name = 'x' WHERE id = 1 RETURNING n");
    bed.db.write(async move |tx| tx.query(update, args![]).await).await.unwrap();
    bed.db.write_one(sql("ALTER TABLE counters ALTER COLUMN n TYPE bigint USING 9"), args![]).await.unwrap();
    let written = bed.db.write(async move |tx| tx.query(update, args![]).await).await.unwrap();
    assert_eq!(written[0].get::<i64>(0).unwrap(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_the_proxy_forgot_is_prepared_again() {
    let bed = Bed::with_rows(Store::Postgres, 1).await;
    for _ in 0..3 {
        warm(&bed.db).await;
        bed.db.query(COUNT, args![]).await.unwrap();
        // On one connection, as a pooler between us and the server may do at any time.
        bed.db.write_one(sql("DEALLOCATE ALL"), args![]).await.unwrap();
        let counts = join_all((0..8).map(|_| bed.db.query(COUNT, args![]))).await;
        assert!(counts.iter().all(Result::is_ok), "{counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyring_stays_in_its_schema() {
    let bed = Bed::new(Store::Postgres).await;
    let keyring = database(&bed.ground, Which::Keyring);
    keyring.migrate(super::NOW).await.unwrap();
    let schema = async |db: &Db| -> String {
        let row = db.query_opt(sql("SELECT current_schema()"), args![]).await.unwrap().unwrap();
        row.get(0).unwrap()
    };
    for _ in 0..3 {
        for _ in 0..10 {
            assert_eq!((schema(&keyring).await, schema(&bed.db).await), ("keyring".to_owned(), "public".to_owned()));
        }
        terminate_all(&bed).await;
    }
}

#[tokio::test]
async fn no_statement_and_no_transaction_lasts_for_ever() {
    let bed = Bed::new(Store::Postgres).await;
    let shown = async |db: &Db| -> Vec<String> {
        let mut shown = Vec::new();
        for limit in ["SHOW statement_timeout", "SHOW idle_in_transaction_session_timeout"] {
            shown.push(db.query_opt(sql(limit), args![]).await.unwrap().unwrap().get(0).unwrap());
        }
        shown
    };
    assert_eq!(shown(&bed.db).await, ["30s", "30s"]);
    let url = format!("{}?options=-c%20statement_timeout%3D150", bed.ground.database_url());
    let chosen = bed.open(url, PATIENCE);
    assert_eq!(shown(&chosen).await, ["150ms", "30s"], "what the operator chose stands");
    let started = Instant::now();
    for hung in [chosen.query(SLEEP, args![]).await.map(drop), chosen.write_one(SLEEP, args![]).await.map(drop)] {
        assert!(matches!(hung, Err(DbError::Unavailable(_))), "{hung:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    chosen.ping().await.unwrap();
}

#[tokio::test]
async fn the_replica_is_asked_when_there_is_one() {
    const WHERE: Sql = sql("SELECT current_database()");
    let (main, copy) = (Ground::empty(Store::Postgres).await, Ground::empty(Store::Postgres).await);
    let name = async |db: &Db| -> String { db.query_opt(WHERE, args![]).await.unwrap().unwrap().get(0).unwrap() };
    let mut settings = settings(main.database_url(), PATIENCE);
    settings.read_url = Some(copy.database_url().into());
    let db = Db::open(&settings, Which::Main).unwrap();
    assert!(main.database_url().ends_with(&name(&db).await));
    assert!(copy.database_url().ends_with(&name(&db.replica()).await));
    let keyring = Db::open(&settings, Which::Keyring).unwrap();
    assert!(main.database_url().ends_with(&name(&keyring.replica()).await), "keys have no replica");
    db.close().await;
    assert!(matches!(db.replica().ping().await, Err(DbError::Unavailable(_))));
}

async fn without_a_replica_the_store_itself_is_read(store: Store) {
    let bed = Bed::with_rows(store, 3).await;
    assert_eq!(super::number(&bed.db.replica(), COUNT).await, 3);
    assert_eq!(open(bed.ground.database_url(), PATIENCE, Which::Main).replica().engine(), bed.db.engine());
}

async fn the_pool_is_measured(store: Store) {
    let instance = Instance::start(store).await;
    let text = instance.ops().get("/metrics").await.expect(200).text;
    for store in ["main", "keyring"] {
        let of = |state| format!("keystead_db_pool_connections{{store=\"{store}\",state=\"{state}\"}} ");
        for name in [of("in_use"), of("idle"), format!("keystead_db_pool_waiting{{store=\"{store}\"}} ")] {
            assert!(text.lines().any(|line| line.starts_with(&name)), "{name}\n{text}");
        }
    }
}

both_stores!(without_a_replica_the_store_itself_is_read, the_pool_is_measured);
