//! The database goes away and comes back.

use std::time::{Duration, Instant};

use keystead::args;
use keystead::db::{Db, DbError};

use super::proxy::Proxy;
use super::{ADD, Bed, COUNT, sql};
use crate::support::{Store, eventually};

const PATIENCE: Duration = Duration::from_secs(1);
/// A busy machine adds to what a deadline promises.
const SLACK: Duration = Duration::from_secs(2);

async fn behind_a_proxy() -> (Bed, Proxy, Db) {
    let bed = Bed::new(Store::Postgres).await;
    let proxy = Proxy::to(&bed.ground.database_url()).await;
    let db = bed.open(proxy.through(&bed.ground.database_url()), PATIENCE);
    db.ping().await.unwrap();
    (bed, proxy, db)
}

async fn every_call_is_unavailable(db: &Db) {
    let started = Instant::now();
    let calls = tokio::join!(
        async { db.query(COUNT, args![]).await.map(drop) },
        async { super::add(db, 1).await },
        db.write(async |tx| tx.execute(ADD, args![2, "two"]).await.map(drop)),
        db.read(async |tx| tx.query(COUNT, args![]).await.map(drop)),
    );
    for call in [calls.0, calls.1, calls.2, calls.3] {
        assert!(matches!(call, Err(DbError::Unavailable(_))), "{call:?}");
    }
    assert!(started.elapsed() < PATIENCE + SLACK, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_is_unavailable_in_time_and_comes_back_by_itself() {
    let (bed, proxy, db) = behind_a_proxy().await;
    for _ in 0..3 {
        proxy.cut();
        every_call_is_unavailable(&db).await;
        // A host that is there and does not speak.
        proxy.silence();
        every_call_is_unavailable(&db).await;
        proxy.open();
        eventually("the database again", async || db.ping().await.ok()).await;
        db.write(async |tx| tx.query(COUNT, args![]).await.map(drop)).await.unwrap();
    }
    assert_eq!(bed.count().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_cut_in_the_middle_of_a_transaction_undoes_it() {
    let (bed, proxy, db) = behind_a_proxy().await;
    let (at_work, mut working) = tokio::sync::mpsc::unbounded_channel();
    let writing = db.clone();
    let write = tokio::spawn(async move {
        let write = writing.write(async move |tx| {
            tx.execute(ADD, args![1, "one"]).await?;
            at_work.send(()).ok();
            tx.query(sql("SELECT 1 FROM pg_sleep(5)"), args![]).await.map(drop)
        });
        write.await
    });
    working.recv().await.unwrap();
    proxy.cut();
    let result = write.await.unwrap();
    assert!(matches!(result, Err(DbError::Unavailable(_))), "{result:?}");
    proxy.open();
    eventually("the database again", async || db.ping().await.ok()).await;
    assert_eq!(bed.count().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_not_asked_for_again_when_that_could_do_it_twice() {
    let (bed, proxy, db) = behind_a_proxy().await;
    let (more, once) = (sql("UPDATE counters SET n = n + 1 WHERE id = 1"), sql("SELECT n FROM counters WHERE id = 1 AND n >= 0"));
    bed.add(1).await.unwrap();
    proxy.lose_answer_to("SET n = n + 1");
    let lost = db.write_one(more, args![]).await;
    assert!(matches!(lost, Err(DbError::Unavailable(_))) && proxy.has_lost(), "{lost:?}");
    eventually("its effect", async || (super::value_of(&bed.db, 1).await == 1).then_some(())).await;
    proxy.lose_answer_to("n >= 0");
    assert_eq!(super::number(&db, once).await, 1, "reading twice is harmless");
    assert!(proxy.has_lost());
}
