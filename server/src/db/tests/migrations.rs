//! Migrations: once, whoever comes first; never half; never the wrong ones.

use futures_util::future::join_all;
use keystead::args;
use keystead::db::migrate::Applied;
use keystead::db::{Db, DbError, Store as Which};

use super::{NOW, number, sql};
use crate::support::{Ground, Store, both_stores, database};

/// The files of a store's folder.
fn folder(which: Which) -> Vec<String> {
    let name = match which {
        Which::Main => "main",
        Which::Keyring => "keyring",
    };
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name);
    let files = std::fs::read_dir(path).unwrap().flatten();
    let mut names: Vec<_> = files.map(|file| file.file_name().into_string().unwrap().trim_end_matches(".sql").to_owned()).collect();
    names.sort();
    names
}

async fn all_of_the_folder_is_applied_once(store: Store) {
    let ground = Ground::empty(store).await;
    for which in [Which::Main, Which::Keyring] {
        let db = database(&ground, which);
        assert_eq!(db.pending().await.unwrap(), folder(which));
        let first = db.migrate(NOW).await.unwrap();
        assert_eq!((first.steps, first.newer), (db_names(which), false));
        assert_eq!(db.pending().await.unwrap(), Vec::<&str>::new());
        assert_eq!(db.migrate(NOW).await.unwrap(), Applied::default(), "a second time there is nothing to do");
    }
}

fn db_names(which: Which) -> Vec<&'static str> {
    folder(which).into_iter().map(|name| &*name.leak()).collect()
}

async fn of_many_that_start_together_one_migrates(store: Store) {
    let ground = Ground::empty(store).await;
    let stores = [Which::Main, Which::Keyring];
    let dbs: Vec<(Which, Db)> = (0..6).flat_map(|_| stores).map(|which| (which, database(&ground, which))).collect();
    let migrations = dbs.iter().map(|(which, db)| async { (*which, db.migrate(NOW).await.unwrap()) });
    let applied = join_all(migrations).await;
    for which in stores {
        let all = applied.iter().filter(|(of, applied)| *of == which && applied.steps.len() == folder(which).len());
        let some = applied.iter().filter(|(of, applied)| *of == which && !applied.steps.is_empty());
        assert_eq!((all.count(), some.count()), (1, 1), "{applied:?}");
    }
}

async fn migrated(store: Store) -> (Ground, Db) {
    let ground = Ground::empty(store).await;
    let db = database(&ground, Which::Main);
    db.migrate(NOW).await.unwrap();
    (ground, db)
}

async fn an_edited_step_is_refused(store: Store) {
    let (_ground, db) = migrated(store).await;
    db.write_one(sql("UPDATE schema_migrations SET checksum = 'other' WHERE version = 2"), args![]).await.unwrap();
    let Err(DbError::Other(why)) = db.migrate(NOW).await else { panic!("it must be refused") };
    assert!(why.contains("0002_signing_keys") && why.contains("another form") && why.contains("run the binary"), "{why}");
}

async fn a_newer_database_is_served(store: Store) {
    let (_ground, db) = migrated(store).await;
    let step = "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (9000, '9000_later', 'x', 0)";
    db.write_one(sql(step), args![]).await.unwrap();
    assert_eq!(db.migrate(NOW).await.unwrap(), Applied { steps: vec![], newer: true });
    assert_eq!(db.pending().await.unwrap(), Vec::<&str>::new());
}

async fn a_step_that_fails_leaves_nothing(store: Store) {
    let ground = Ground::empty(store).await;
    let db = database(&ground, Which::Main);
    // In the way of the third step.
    db.write_one(sql("CREATE TABLE jobs (mine bigint)"), args![]).await.unwrap();
    let failed = db.migrate(NOW).await;
    assert!(matches!(failed, Err(DbError::Other(_))), "{failed:?}");
    let tables = keystead::db::Sql {
        sqlite: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        postgres: "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
    };
    assert_eq!(number(&db, tables).await, 1, "only what was in the way");
    assert_eq!(db.pending().await.unwrap(), folder(Which::Main));
    db.write_one(sql("DROP TABLE jobs"), args![]).await.unwrap();
    assert_eq!(db.migrate(NOW).await.unwrap().steps, folder(Which::Main));
}

async fn who_cannot_be_asked_is_not_empty(store: Store) {
    let (_ground, db) = migrated(store).await;
    db.write_one(sql("ALTER TABLE schema_migrations RENAME COLUMN checksum TO sum"), args![]).await.unwrap();
    assert!(matches!(db.pending().await, Err(DbError::Other(_))));
}

both_stores!(
    all_of_the_folder_is_applied_once,
    of_many_that_start_together_one_migrates,
    an_edited_step_is_refused,
    a_newer_database_is_served,
    a_step_that_fails_leaves_nothing,
    who_cannot_be_asked_is_not_empty,
);
