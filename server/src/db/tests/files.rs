//! SQLite's files: for their owner alone, whole after closing, clean after erasure.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use keystead::args;
use keystead::db::{DbError, PoolStatus, Store as Which};

use super::{Bed, add, open, sql};
use crate::support::{Store, eventually};

const PATIENCE: Duration = Duration::from_secs(5);

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn beside(bed: &Bed, name: &str) -> PathBuf {
    bed.ground.data_dir().join(name)
}

#[tokio::test]
async fn files_and_folders_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("var/keystead");
    let path = inner.join("keystead.db");
    for which in [Which::Main, Which::Keyring] {
        open(url(&path), PATIENCE, which).migrate(super::NOW).await.unwrap();
    }
    let main = open(url(&path), PATIENCE, Which::Main);
    let keyring = open(url(&path), PATIENCE, Which::Keyring);
    main.write_one(sql("CREATE TABLE t (i bigint)"), args![]).await.unwrap();
    keyring.ping().await.unwrap();
    assert_eq!((mode(&inner), mode(inner.parent().unwrap())), (0o700, 0o700));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&inner).unwrap().flatten() {
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    for name in ["keystead.db", "keystead.db-wal", "keyring.db"] {
        assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
    }
    main.close().await;
    keyring.close().await;
}

/// Changing to a write-ahead log needs the file for oneself, and SQLite does not wait for that by itself.
#[test]
fn many_that_open_a_new_file_at_once_all_get_it() {
    for _ in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let url = url(&folder.path().join("keystead.db"));
        let together = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    drop(open(url.clone(), PATIENCE, Which::Main));
                });
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_finishes_what_is_queued_and_leaves_one_file() {
    let bed = Bed::new(Store::Sqlite).await;
    let lock = rusqlite::Connection::open(beside(&bed, "keystead.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writes: Vec<_> = (0..200)
        .map(|id| {
            let db = bed.db.clone();
            tokio::spawn(async move { add(&db, id).await })
        })
        .collect();
    eventually("200 writes in the queue", async || {
        let PoolStatus { in_use, waiting, .. } = bed.db.pool_status();
        (in_use + waiting == 200).then_some(())
    })
    .await;
    let db = bed.db.clone();
    let closing = tokio::spawn(async move { db.close().await });
    // One that is let in still gives up soon, and is then left out.
    eventually("the end of the queue", async || {
        let late = tokio::time::timeout(Duration::from_millis(20), add(&bed.db, 1000)).await;
        late.is_ok_and(|refused| refused.is_err()).then_some(())
    })
    .await;
    lock.execute_batch("ROLLBACK").unwrap();
    drop(lock);
    for write in join_all(writes).await {
        write.unwrap().unwrap();
    }
    closing.await.unwrap();
    for rest in ["keystead.db-wal", "keystead.db-shm"] {
        assert!(!beside(&bed, rest).exists(), "{rest}");
    }

    for call in [add(&bed.db, 1).await, bed.db.ping().await, bed.db.write(async |_| Ok(())).await, bed.db.read(async |_| Ok(())).await] {
        assert!(matches!(call, Err(DbError::Unavailable(_))), "{call:?}");
    }
    bed.db.close().await;
    let again = open(bed.ground.database_url(), PATIENCE, Which::Main);
    assert_eq!(super::number(&again, super::COUNT).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_one_out_ends_the_threads() {
    let bed = Bed::new(Store::Sqlite).await;
    let (wal, Bed { db, ground }) = (beside(&bed, "keystead.db-wal"), bed);
    add(&db, 1).await.unwrap();
    assert!(wal.exists());
    // The last handle is dropped on the writer's own thread, by a hook of the last write.
    let (kept, path) = (Arc::new(db.clone()), ground.database_url());
    let write = tokio::spawn(async move {
        let write = db.write(async move |tx| {
            let kept = kept.clone();
            tx.on_commit(move || drop(kept));
            tx.execute(super::ADD, args![2, "two"]).await
        });
        write.await
    });
    write.await.unwrap().unwrap();
    eventually("closed files", async || (!wal.exists()).then_some(())).await;
    assert_eq!(super::number(&open(path, PATIENCE, Which::Main), super::COUNT).await, 2);
}

#[tokio::test]
async fn an_erased_key_is_in_no_file() {
    let bed = Bed::new(Store::Sqlite).await;
    let keyring = open(bed.ground.database_url(), PATIENCE, Which::Keyring);
    keyring.write_one(sql("CREATE TABLE keys (id bigint PRIMARY KEY, k bytea)"), args![]).await.unwrap();
    let found = |id: u8| {
        let name = |name| beside(&bed, name);
        // What the writer moves meanwhile goes from the log into the file: in this order nothing is missed.
        let files = [name("keyring.db-wal"), name("keyring.db")];
        files.iter().any(|file| std::fs::read(file).unwrap_or_default().windows(40).any(|part| part == [id; 40]))
    };
    for id in 1..=20u8 {
        keyring.write_one(sql("INSERT INTO keys VALUES ($1, $2)"), args![i64::from(id), vec![id; 40]]).await.unwrap();
    }
    assert!((1..=20).all(found));
    for id in (2..=20u8).step_by(2) {
        keyring.write_one(sql("DELETE FROM keys WHERE id = $1"), args![i64::from(id)]).await.unwrap();
    }
    eventually("ten keys less", async || (!(2..=20).step_by(2).any(found)).then_some(())).await;
    assert!((1..=19).step_by(2).all(found), "the others are still there");
    keyring.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_a_long_reader_let_grow_is_emptied_again() {
    let bed = Bed::new(Store::Sqlite).await;
    bed.db.write_one(sql("CREATE TABLE big (id bigint PRIMARY KEY, b bytea)"), args![]).await.unwrap();
    let fill = sql("INSERT INTO big VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET b = $2");
    let log = beside(&bed, "keystead.db-wal");
    let size = || std::fs::metadata(&log).unwrap().len();
    let reader = rusqlite::Connection::open(beside(&bed, "keystead.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM big;").unwrap();
    let mut round = 0u8;
    while size() < 40 << 20 {
        round = round.wrapping_add(1);
        bed.db.write_one(fill, args![i64::from(round % 4), vec![round; 512 * 1024]]).await.unwrap();
    }
    reader.execute_batch("COMMIT").unwrap();
    let mut more = 0;
    while size() > 8 << 20 {
        more += 1;
        assert!(more < 1000, "after a thousand writes the log is still {} MiB", size() >> 20);
        bed.add(more).await.unwrap();
    }
}
