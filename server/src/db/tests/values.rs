//! What is written is what is read, on either engine.

use keystead::args;
use keystead::db::{DbError, Row, Sql, Value};
use keystead::time::Timestamp;
use uuid::Uuid;

use super::{ADD, Bed, NOW, sql};
use crate::support::{Ground, Store, both_stores, database};

const TABLE: Sql = sql("CREATE TABLE kinds (u uuid, t text, b bytea, i bigint, f boolean)");
/// Deliberately not in the order of the columns, and `$2` before `$1`.
const INSERT: Sql = sql("INSERT INTO kinds (f, i, b, t, u) VALUES ($5, $4, $3, $2, $1)");
const ALL: Sql = sql("SELECT u, t, b, i, f FROM kinds ORDER BY i");

async fn every_kind_of_value_comes_back(store: Store) {
    let bed = Bed::new(store).await;
    bed.db.write_one(TABLE, args![]).await.unwrap();
    let id = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001);
    let hostile = "Zoë'; DROP TABLE kinds; -- \u{1F511}";
    bed.db.write_one(INSERT, args![id, hostile, vec![0u8, 255, 1], i64::MIN, true]).await.unwrap();
    bed.db.write_one(INSERT, args![Uuid::nil(), "", Vec::<u8>::new(), i64::MAX, false]).await.unwrap();
    let rows = bed.db.query(ALL, args![]).await.unwrap();
    let read = |row: &Row| {
        let (u, t, b): (Uuid, String, Vec<u8>) = (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        (u, t, b, row.get::<i64>(3).unwrap(), row.get::<bool>(4).unwrap())
    };
    assert_eq!(read(&rows[0]), (id, hostile.to_owned(), vec![0, 255, 1], i64::MIN, true));
    assert_eq!(read(&rows[1]), (Uuid::nil(), String::new(), vec![], i64::MAX, false));
}

async fn null_is_no_value_of_any_kind(store: Store) {
    let bed = Bed::new(store).await;
    bed.db.write_one(TABLE, args![]).await.unwrap();
    let nothing: [Value; 5] =
        [None::<Uuid>.into(), None::<String>.into(), None::<Vec<u8>>.into(), None::<Timestamp>.into(), None::<bool>.into()];
    bed.db.write_one(INSERT, nothing.to_vec()).await.unwrap();
    let row = bed.db.query_opt(ALL, args![]).await.unwrap().unwrap();
    assert_eq!(row.get::<Option<Uuid>>(0).unwrap(), None);
    assert_eq!(row.get::<Option<String>>(1).unwrap(), None);
    assert_eq!(row.get::<Option<[u8; 32]>>(2).unwrap(), None);
    assert_eq!(row.get::<Option<Timestamp>>(3).unwrap(), None);
    assert_eq!(row.get::<Option<bool>>(4).unwrap(), None);
    assert!(matches!(row.get::<i64>(3), Err(DbError::Decode(_))), "NULL is not zero");
    assert!(matches!(row.get::<i64>(5), Err(DbError::Decode(_))), "there is no such column");
}

async fn times_and_small_numbers_have_their_own_types(store: Store) {
    let bed = Bed::new(store).await;
    let row = sql("INSERT INTO counters (id, n) VALUES ($1, $2) RETURNING id, n");
    let (rows, changed) = bed.db.write_one(row, args![NOW, 7u32]).await.unwrap();
    assert_eq!((rows[0].get::<Timestamp>(0).unwrap(), rows[0].get::<u32>(1).unwrap(), changed), (NOW, 7, 1));
    let negative = sql("UPDATE counters SET n = -1 RETURNING n");
    let (rows, _) = bed.db.write_one(negative, args![]).await.unwrap();
    assert!(matches!(rows[0].get::<u32>(0), Err(DbError::Decode(_))), "-1 is not 4294967295");
    assert!(rows[0].get::<u64>(0).is_err() && rows[0].get::<String>(0).is_err());
}

async fn an_argument_may_be_used_twice_and_in_any_order(store: Store) {
    let bed = Bed::with_rows(store, 1).await;
    let swapped = sql("UPDATE counters SET n = $2, name = $1 WHERE id = 1 AND n < $2 RETURNING name, n");
    let (rows, _) = bed.db.write_one(swapped, args!["first", 2]).await.unwrap();
    assert_eq!((rows[0].get::<String>(0).unwrap(), rows[0].get::<i64>(1).unwrap()), ("first".to_owned(), 2));
}

async fn too_many_or_too_few_arguments_are_refused(store: Store) {
    let bed = Bed::new(store).await;
    let places = |count: usize| (1..=count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
    let most: &'static str = format!("SELECT count(*) FROM counters WHERE id IN ({})", places(64)).leak();
    let more: &'static str = format!("SELECT count(*) FROM counters WHERE id IN ({})", places(65)).leak();
    assert!(bed.db.query(sql(most), vec![1i64.into(); 64]).await.is_ok());
    let refused = bed.db.query(sql(more), vec![1i64.into(); 65]).await;
    assert!(matches!(&refused, Err(DbError::Other(why)) if why.contains("64")), "{refused:?}");
    for given in [args![], args![1, "one", 2]] {
        let refused = bed.db.write_one(ADD, given).await;
        assert!(matches!(refused, Err(DbError::Other(_))), "what is missing must not become NULL: {refused:?}");
    }
    assert_eq!(bed.count().await, 0);
}

async fn rows_that_were_changed_are_counted(store: Store) {
    let bed = Bed::with_rows(store, 3).await;
    let changed = async |text: &'static str| bed.db.write_one(sql(text), args![]).await.unwrap().1;
    assert_eq!(changed("UPDATE counters SET n = 1 WHERE id > 1").await, 2);
    assert_eq!(changed("UPDATE counters SET n = 1 WHERE id > 9").await, 0);
    assert_eq!(changed("DELETE FROM counters WHERE id = 1 RETURNING id").await, 1);
    assert_eq!(changed("INSERT INTO counters (id, n) VALUES (2, 0) ON CONFLICT DO NOTHING").await, 0);
    // Neither changes a row, whatever the statement before it did.
    assert_eq!(changed("CREATE INDEX counters_n ON counters (n)").await, 0);
    let counted = bed.db.write(async |tx| tx.execute(sql("DELETE FROM counters"), args![]).await).await;
    assert_eq!(counted.unwrap(), 2);
}

async fn a_unique_violation_says_which(store: Store) {
    let bed = Bed::with_rows(store, 1).await;
    for (args, column) in [(args![2, "row 1"], "name"), (args![1, "row 2"], "")] {
        let alone = bed.db.write_one(ADD, args.clone()).await;
        let within = bed.db.write(async move |tx| tx.execute(ADD, args.clone()).await).await;
        for refused in [alone.map(drop), within.map(drop)] {
            let Err(DbError::Unique(what)) = refused else { panic!("{refused:?}") };
            assert!(what.starts_with("counters") && what.contains(column), "{what}");
        }
    }
    let other = bed.db.write_one(sql("INSERT INTO counters (id, n) VALUES (5, NULL)"), args![]).await;
    assert!(matches!(other, Err(DbError::Other(_))), "NOT NULL is not a unique violation: {other:?}");
}

async fn every_statement_is_understood(store: Store) {
    let ground = Ground::migrated(store).await;
    let main = database(&ground, keystead::db::Store::Main);
    let keyring = database(&ground, keystead::db::Store::Keyring);
    let mut of_main = keystead::app::statements();
    of_main.push(("jobs", keystead::jobs::STATEMENTS));
    of_main.push(("mail", keystead::mail::STATEMENTS));
    of_main.push(("signing keys", keystead::secret::SIGNING_STATEMENTS));
    let of_keyring = vec![("keyring", keystead::secret::KEYRING_STATEMENTS)];
    for (db, parts) in [(main, of_main), (keyring, of_keyring)] {
        for (part, statements) in parts {
            for (name, statement) in statements {
                let prepared = db.prepare(*statement).await;
                assert!(prepared.is_ok(), "{part} {name}: {prepared:?}");
            }
        }
    }
}

both_stores!(
    every_kind_of_value_comes_back,
    null_is_no_value_of_any_kind,
    times_and_small_numbers_have_their_own_types,
    an_argument_may_be_used_twice_and_in_any_order,
    too_many_or_too_few_arguments_are_refused,
    rows_that_were_changed_are_counted,
    a_unique_violation_says_which,
    every_statement_is_understood,
);

#[tokio::test]
async fn postgres_refuses_a_value_of_another_type() {
    let bed = Bed::new(Store::Postgres).await;
    bed.db.write_one(TABLE, args![]).await.unwrap();
    let wrong = [args!["no uuid"], args![vec![104u8, 105]], args![true], args![7]];
    for (args, column) in wrong.into_iter().zip(["u", "t", "i", "f"]) {
        let insert: &'static str = format!("INSERT INTO kinds ({column}) VALUES ($1)").leak();
        let refused = bed.db.write_one(sql(insert), args).await;
        assert!(matches!(refused, Err(DbError::Other(_))), "{column}: {refused:?}");
    }
    let numeric = bed.db.query(sql("SELECT 1.5"), args![]).await;
    assert!(matches!(numeric, Err(DbError::Decode(_))), "{numeric:?}");
}

#[tokio::test]
async fn sqlite_refuses_what_no_column_may_hold() {
    let bed = Bed::new(Store::Sqlite).await;
    for odd in ["SELECT 1.5", "SELECT CAST(x'ff' AS text)"] {
        let refused = bed.db.query(sql(odd), args![]).await;
        assert!(matches!(refused, Err(DbError::Decode(_))), "{odd}: {refused:?}");
    }
}
