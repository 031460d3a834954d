//! SQLite's writer: who waits for whom, and what a spoilt commit does.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keystead::args;
use keystead::db::{Db, DbError, Sql};

use super::{ADD, Bed, add, sql};
use crate::support::{Store, eventually};

const PATIENCE: Duration = Duration::from_millis(400);

/// The write lock of the file, held by another process.
struct Lock(rusqlite::Connection);

impl Lock {
    /// Waits until the writer has put down what it had: it answers its callers a moment before, and a job that is as
    /// good as done must not be taken for the first of the next ones.
    async fn on(bed: &Bed) -> Self {
        eventually("an idle writer", async || (bed.db.pool_status().in_use == 0).then_some(())).await;
        let connection = rusqlite::Connection::open(bed.ground.data_dir().join("keystead.db")).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }

    fn release(self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

/// Until the writer, idle before, holds one job and the others of `jobs` wait, so that all of them meet in one commit.
async fn queued(db: &Db, jobs: usize) {
    eventually("a full queue", async || {
        let status = db.pool_status();
        (status.in_use == 1 && status.waiting + 1 == jobs).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_of_another_process_is_waited_for() {
    let bed = Bed::new(Store::Sqlite).await;
    let lock = Lock::on(&bed).await;
    let db = bed.db.clone();
    let write = tokio::spawn(async move { add(&db, 1).await });
    queued(&bed.db, 1).await;
    assert_eq!(bed.count().await, 0, "readers do not wait");
    lock.release();
    write.await.unwrap().unwrap();
    assert_eq!(bed.count().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_kept_makes_all_unavailable_after_one_wait() {
    let bed = Bed::new(Store::Sqlite).await;
    let db = bed.open(bed.ground.database_url(), PATIENCE);
    let lock = Lock::on(&bed).await;
    let started = Instant::now();
    let refused = join_all((0..20).map(|id| add(&db, id))).await;
    let took = started.elapsed();
    assert!(refused.iter().all(|call| matches!(call, Err(DbError::Unavailable(_)))), "{refused:?}");
    assert!(took >= PATIENCE && took < PATIENCE * 6, "nobody waits for the waiting of the others: {took:?}");
    lock.release();
    add(&db, 1).await.unwrap();
    assert_eq!(bed.count().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_for_a_caller_who_is_gone() {
    let bed = Bed::new(Store::Sqlite).await;
    let lock = Lock::on(&bed).await;
    let (first, second) = (bed.db.clone(), bed.db.clone());
    let stays = tokio::spawn(async move { add(&first, 1).await });
    queued(&bed.db, 1).await;
    let goes = tokio::spawn(async move { second.write(async |tx| tx.execute(ADD, args![2, "two"]).await).await });
    queued(&bed.db, 2).await;
    goes.abort();
    assert!(goes.await.unwrap_err().is_cancelled());
    lock.release();
    stays.await.unwrap().unwrap();
    assert_eq!(bed.count().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_a_commit() {
    let bed = Bed::new(Store::Sqlite).await;
    let lock = Lock::on(&bed).await;
    let calls: Vec<_> = (0..100)
        .map(|id| {
            let db = bed.db.clone();
            tokio::spawn(async move { add(&db, id).await })
        })
        .collect();
    queued(&bed.db, 100).await;
    lock.release();
    for call in join_all(calls).await {
        call.unwrap().unwrap();
    }
    assert_eq!(bed.count().await, 100);
}

/// When the engine gives the whole commit up, nobody in it may be told that his work is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_the_engine_gives_up_is_nobodys_success() {
    const SPOIL: Sql = sql("INSERT OR ROLLBACK INTO counters (id, n) VALUES (1, 0)");
    let bed = Bed::new(Store::Sqlite).await;
    add(&bed.db, 1).await.unwrap();
    let lock = Lock::on(&bed).await;
    let (before, within, after) = (bed.db.clone(), bed.db.clone(), bed.db.clone());
    let before = tokio::spawn(async move { add(&before, 2).await });
    queued(&bed.db, 1).await;
    let within = tokio::spawn(async move {
        let write = within.write(async |tx| {
            tx.execute(ADD, args![3, "three"]).await?;
            let spoilt = tx.execute(SPOIL, args![]).await;
            // There is no transaction any more; this would stand alone, and stay.
            let alone = tx.execute(ADD, args![4, "four"]).await;
            assert!(matches!(alone, Err(DbError::Unavailable(_))), "{alone:?}");
            spoilt
        });
        write.await
    });
    queued(&bed.db, 2).await;
    let after = tokio::spawn(async move { add(&after, 5).await });
    queued(&bed.db, 3).await;
    lock.release();
    let (before, within, after) = (before.await.unwrap(), within.await.unwrap(), after.await.unwrap());
    assert!(matches!(before, Err(DbError::Unavailable(_))), "{before:?}");
    assert!(matches!(within, Err(DbError::Unique(_))), "{within:?}");
    after.unwrap();
    let rows = bed.db.query(sql("SELECT id FROM counters ORDER BY id"), args![]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<i64>(0).unwrap()).collect::<Vec<_>>(), [1, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_unavailable_and_passes() {
    let bed = Bed::new(Store::Sqlite).await;
    bed.db.write_one(sql("CREATE TABLE big (b bytea)"), args![]).await.unwrap();
    bed.db.write_one(sql("PRAGMA max_page_count = 50"), args![]).await.unwrap();
    let fill = sql("INSERT INTO big VALUES ($1)");
    let full = bed.db.write_one(fill, args![vec![7u8; 1 << 20]]).await;
    assert!(matches!(full, Err(DbError::Unavailable(_))), "{full:?}");
    let full = bed.db.write(async move |tx| tx.execute(fill, args![vec![7u8; 1 << 20]]).await).await;
    assert!(matches!(full, Err(DbError::Unavailable(_))), "{full:?}");
    bed.add(1).await.unwrap();
    bed.db.write_one(sql("PRAGMA max_page_count = 100000"), args![]).await.unwrap();
    bed.db.write_one(fill, args![vec![7u8; 1 << 20]]).await.unwrap();
    assert_eq!(bed.count().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_cannot_be_read_is_undone() {
    let bed = Bed::with_rows(Store::Sqlite, 1).await;
    let unreadable = bed.db.write_one(sql("UPDATE counters SET n = 7 RETURNING 1.5"), args![]).await;
    assert!(matches!(unreadable, Err(DbError::Decode(_))), "{unreadable:?}");
    assert_eq!(super::value_of(&bed.db, 1).await, 0, "who is told of an error finds nothing done");
    bed.add(2).await.unwrap();
}
