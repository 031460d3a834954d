//! Transactions against each other: one winner, and losers that try again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use keystead::args;
use keystead::db::{Db, DbError, Sql};
use tokio::sync::Barrier;

use super::{ADD, Bed, sql, value_of};
use crate::support::{Store, both_stores};

const ROTATE: Sql = sql("UPDATE counters SET n = $2 + 1 WHERE id = $1 AND n = $2 RETURNING n");
const ROUNDS: i64 = 20;

async fn winners<F: Future<Output = bool>>(db: &Db, rotate: impl Fn(Db, i64) -> F) {
    for round in 0..ROUNDS {
        let won = join_all((0..16).map(|_| rotate(db.clone(), round))).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}");
    }
    assert_eq!(value_of(db, 1).await, ROUNDS);
}

async fn one_of_sixteen_rotations_wins(store: Store) {
    let bed = Bed::with_rows(store, 1).await;
    winners(&bed.db, |db, round| async move { !db.write_one(ROTATE, args![1, round]).await.unwrap().0.is_empty() }).await;
}

async fn one_of_sixteen_rotations_in_a_transaction_wins(store: Store) {
    let bed = Bed::with_rows(store, 1).await;
    winners(&bed.db, |db, round| async move {
        let rotated = db.write(async move |tx| {
            tx.query(super::READ, args![1]).await?;
            tx.query_opt(ROTATE, args![1, round]).await
        });
        rotated.await.unwrap().is_some()
    })
    .await;
}

both_stores!(one_of_sixteen_rotations_wins, one_of_sixteen_rotations_in_a_transaction_wins);

/// A statement that loses, as a serialisation failure would.
const LOSE: Sql = sql("SELECT lose()");

async fn losing() -> Bed {
    let bed = Bed::new(Store::Postgres).await;
    let function = "CREATE FUNCTION lose() RETURNS bigint LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$";
    bed.db.write_one(sql(function), args![]).await.unwrap();
    bed
}

#[tokio::test]
async fn hooks_of_a_closure_that_was_tried_again_run_once() {
    let bed = losing().await;
    for passes_the_error_on in [true, false] {
        let (tries, hooks) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (tried, hooked) = (tries.clone(), hooks.clone());
        let result = bed.db.write(async move |tx| {
            let hooked = hooked.clone();
            tx.on_commit(move || _ = hooked.fetch_add(1, Ordering::SeqCst));
            let number = i64::from(passes_the_error_on);
            tx.execute(ADD, args![number, format!("row {number}")]).await?;
            if tried.fetch_add(1, Ordering::SeqCst) < 2 {
                match tx.query(LOSE, args![]).await {
                    Err(error) if passes_the_error_on => return Err(error),
                    _ => {}
                }
            }
            Ok::<_, DbError>(())
        });
        result.await.unwrap();
        assert_eq!((tries.load(Ordering::SeqCst), hooks.load(Ordering::SeqCst)), (3, 1));
    }
    assert_eq!(bed.count().await, 2);
}

#[tokio::test]
async fn who_always_loses_is_told_so_after_a_few_tries() {
    let bed = losing().await;
    let tries = Arc::new(AtomicU32::new(0));
    let tried = tries.clone();
    let result = bed.db.write(async move |tx| {
        tried.fetch_add(1, Ordering::SeqCst);
        tx.query(LOSE, args![]).await.map(drop)
    });
    assert!(matches!(result.await, Err(DbError::Serialization)));
    assert!((2..10).contains(&tries.load(Ordering::SeqCst)));
    assert!(matches!(bed.db.query(LOSE, args![]).await, Err(DbError::Serialization)));
    assert!(matches!(bed.db.write_one(LOSE, args![]).await, Err(DbError::Serialization)));
    let read = bed.db.read(async |tx| tx.query(LOSE, args![]).await.map(drop)).await;
    assert!(matches!(read, Err(DbError::Serialization)), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_of_a_deadlock_succeed() {
    const LOCK: Sql = sql("UPDATE counters SET n = n + 1 WHERE id = $1");
    let bed = Bed::with_rows(Store::Postgres, 2).await;
    let both = Arc::new(Barrier::new(2));
    let sides = [(1i64, 2i64), (2, 1)].map(|(first, second)| {
        let (db, both, meet) = (bed.db.clone(), both.clone(), Arc::new(AtomicU32::new(0)));
        async move {
            let write = db.write(async move |tx| {
                tx.execute(sql("SET LOCAL deadlock_timeout = '10ms'"), args![]).await?;
                tx.execute(LOCK, args![first]).await?;
                if meet.fetch_add(1, Ordering::SeqCst) == 0 {
                    both.wait().await;
                }
                tx.execute(LOCK, args![second]).await
            });
            write.await
        }
    });
    for side in join_all(sides).await {
        side.unwrap();
    }
    assert_eq!((value_of(&bed.db, 1).await, value_of(&bed.db, 2).await), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_serialisable_transactions_say_was_done_was_done() {
    let bed = Bed::with_rows(Store::Postgres, 1).await;
    let add = |_| {
        let db = bed.db.clone();
        async move {
            let write = db.write(async |tx| {
                tx.execute(sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), args![]).await?;
                let n: i64 = tx.query_opt(super::READ, args![1]).await?.unwrap().get(0)?;
                tx.execute(sql("UPDATE counters SET n = $1 WHERE id = 1"), args![n + 1]).await
            });
            write.await
        }
    };
    let results = join_all((0..4).map(add)).await;
    let done = results.iter().filter(|result| result.is_ok()).count();
    assert!(results.iter().all(|result| matches!(result, Ok(1) | Err(DbError::Serialization))), "{results:?}");
    assert_eq!(usize::try_from(value_of(&bed.db, 1).await).unwrap(), done);
    assert!(done >= 1);
}
