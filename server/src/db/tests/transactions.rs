//! Closures: all or nothing, each by itself, hooks at the right moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use keystead::args;
use keystead::db::{DbError, Tx};

use super::{ADD, Bed, COUNT, NOW, sql};
use crate::support::{Store, both_stores, database, eventually};

async fn insert(tx: &mut Tx, id: i64) -> Result<u64, DbError> {
    tx.execute(ADD, args![id, format!("row {id}")]).await
}

/// Nobody holds a transaction open, and nobody a connection.
async fn at_rest(bed: &Bed) {
    let open = sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'");
    eventually("no open transaction", async || match bed.db.engine() {
        "sqlite" => Some(()),
        _ => (super::number(&bed.db, open).await == 0).then_some(()),
    })
    .await;
    eventually("no connection in use", async || (bed.db.pool_status().in_use == 0).then_some(())).await;
}

async fn a_failing_closure_harms_only_itself(store: Store) {
    let bed = Bed::new(store).await;
    let writes = (0..100i64).map(|id| {
        let db = bed.db.clone();
        async move {
            db.write(async move |tx| {
                insert(tx, id).await?;
                match id % 10 {
                    3 => Err(DbError::Other("changed my mind".into())),
                    // A statement that fails after one that did not.
                    7 => insert(tx, id).await.map(drop),
                    _ => Ok(()),
                }
            })
            .await
        }
    });
    let results = join_all(writes).await;
    for (id, result) in results.iter().enumerate() {
        match id % 10 {
            3 => assert!(matches!(result, Err(DbError::Other(_))), "{id}: {result:?}"),
            7 => assert!(matches!(result, Err(DbError::Unique(_))), "{id}: {result:?}"),
            _ => assert!(result.is_ok(), "{id}: {result:?}"),
        }
    }
    let again = database(&bed.ground, keystead::db::Store::Main);
    let rows = again.query(sql("SELECT id FROM counters ORDER BY id"), args![]).await.unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.get(0).unwrap()).collect();
    assert_eq!(ids, (0..100).filter(|id| id % 10 != 3 && id % 10 != 7).collect::<Vec<_>>());
}

async fn a_panic_in_a_closure_is_an_error_and_undone(store: Store) {
    let bed = Bed::new(store).await;
    for id in 0..20i64 {
        let panicked: Result<(), DbError> = bed
            .db
            .write(async move |tx| {
                insert(tx, id).await?;
                panic!("a bug in a slice");
            })
            .await;
        assert!(matches!(&panicked, Err(DbError::Other(why)) if why.contains("panicked")), "{panicked:?}");
        let read: Result<(), DbError> = bed.db.read(async |_| panic!("another")).await;
        assert!(matches!(read, Err(DbError::Other(_))), "{read:?}");
    }
    at_rest(&bed).await;
    assert_eq!(bed.count().await, 0);
    bed.add(1).await.unwrap();
}

async fn an_error_that_is_not_passed_on_undoes_the_rest(store: Store) {
    let bed = Bed::new(store).await;
    let hook = Arc::new(AtomicBool::new(false));
    let ran = hook.clone();
    let result: Result<(), DbError> = bed
        .db
        .write(async move |tx| {
            let ran = ran.clone();
            tx.on_commit(move || ran.store(true, Ordering::SeqCst));
            insert(tx, 1).await?;
            // PostgreSQL has given the transaction up here, and would answer COMMIT with a rollback.
            let _ = insert(tx, 1).await;
            Ok(())
        })
        .await;
    assert!(matches!(result, Err(DbError::Other(_))), "it must not look committed: {result:?}");
    assert!(!hook.load(Ordering::SeqCst));
    assert_eq!(bed.count().await, 0, "the same on both engines");
    bed.add(1).await.unwrap();
}

async fn a_hook_runs_after_the_commit_and_never_after_a_rollback(store: Store) {
    let bed = Bed::new(store).await;
    let runs = Arc::new(AtomicU32::new(0));
    for fails in [false, true, false] {
        let (counted, seen) = (runs.clone(), runs.clone());
        let before = runs.load(Ordering::SeqCst);
        let result = bed
            .db
            .write(async move |tx| {
                let counted = counted.clone();
                tx.on_commit(move || _ = counted.fetch_add(1, Ordering::SeqCst));
                tx.query(COUNT, args![]).await?;
                assert_eq!(seen.load(Ordering::SeqCst), before, "not before the commit");
                if fails { Err(DbError::Other("no".into())) } else { Ok(()) }
            })
            .await;
        assert_eq!(result.is_err(), fails);
        assert_eq!(runs.load(Ordering::SeqCst), before + u32::from(!fails));
    }
}

async fn a_hook_that_panics_takes_nobody_with_it(store: Store) {
    let bed = Bed::new(store).await;
    let ran = Arc::new(AtomicBool::new(false));
    let later = ran.clone();
    let result = bed
        .db
        .write(async move |tx| {
            let later = later.clone();
            tx.on_commit(|| panic!("a bug in a hook"));
            tx.on_commit(move || later.store(true, Ordering::SeqCst));
            insert(tx, 1).await
        })
        .await;
    assert_eq!(result.unwrap(), 1, "it is committed");
    assert!(ran.load(Ordering::SeqCst), "the other hook ran");
    bed.add(2).await.unwrap();
    assert_eq!(bed.count().await, 2);
}

async fn a_cancelled_write_leaves_nothing_open(store: Store) {
    let bed = Bed::new(store).await;
    for id in 0..20 {
        let write = bed.db.write(async move |tx| {
            insert(tx, id).await?;
            std::future::pending::<Result<(), DbError>>().await
        });
        // On SQLite it is refused at once; on PostgreSQL it is under way when it is dropped.
        let ended = tokio::time::timeout(Duration::from_millis(20), write).await;
        assert!(!matches!(ended, Ok(Ok(()))));
    }
    at_rest(&bed).await;
    assert_eq!(bed.count().await, 0);
    bed.add(1).await.unwrap();
}

async fn a_read_sees_one_moment(store: Store) {
    let bed = Bed::with_rows(store, 1).await;
    let db = bed.db.clone();
    let writer = tokio::spawn(async move {
        for id in 2..200 {
            super::add(&db, id).await.unwrap();
        }
    });
    for _ in 0..50 {
        let counts = bed.db.read(async |tx| {
            let mut counts = Vec::new();
            for _ in 0..5 {
                counts.push(tx.query_opt(COUNT, args![]).await?.unwrap().get::<i64>(0)?);
            }
            Ok::<_, DbError>(counts)
        });
        let counts = counts.await.unwrap();
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    }
    writer.await.unwrap();
}

async fn a_read_writes_nothing(store: Store) {
    let bed = Bed::new(store).await;
    let refused = bed.db.read(async |tx| insert(tx, 1).await).await;
    assert!(refused.is_err());
    let alone = bed.db.read(async |tx| tx.query(COUNT, args![]).await.map(|rows| rows.len())).await;
    assert_eq!(alone.unwrap(), 1, "the connection still works");
    assert_eq!(bed.count().await, 0);
}

async fn migrating_is_a_transaction_too(store: Store) {
    let bed = Bed::new(store).await;
    let taken = sql("CREATE TABLE jobs (id bigint)");
    bed.db.write_one(taken, args![]).await.unwrap();
    assert!(bed.db.migrate(NOW).await.is_err());
    assert!(!bed.db.pending().await.unwrap().is_empty());
    at_rest(&bed).await;
}

both_stores!(
    a_failing_closure_harms_only_itself,
    a_panic_in_a_closure_is_an_error_and_undone,
    an_error_that_is_not_passed_on_undoes_the_rest,
    a_hook_runs_after_the_commit_and_never_after_a_rollback,
    a_hook_that_panics_takes_nobody_with_it,
    a_cancelled_write_leaves_nothing_open,
    a_read_sees_one_moment,
    a_read_writes_nothing,
    migrating_is_a_transaction_too,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awaiting_something_else_is_an_error_on_sqlite_and_no_hang() {
    let bed = Bed::new(Store::Sqlite).await;
    let result = bed.db.write(async |tx| {
        insert(tx, 1).await?;
        tokio::task::yield_now().await;
        insert(tx, 2).await
    });
    let result = tokio::time::timeout(Duration::from_secs(5), result).await.expect("no hang");
    assert!(matches!(&result, Err(DbError::Other(why)) if why.contains("awaited")), "{result:?}");
    assert_eq!(bed.count().await, 0);
}
