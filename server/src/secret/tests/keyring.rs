//! Person keys, their cache, erasure, and the blind index.

use std::time::Duration;

use keystead::db::DbError;
use keystead::secret::{Keyring, Place, Random, SealError};
use proptest::prelude::*;
use uuid::Uuid;

use super::stores::{Store, clock, each_store, keyring};
use super::support::roots;

const EMAIL: Place<'static> = Place { table: "users", column: "email", row: b"1" };

fn person(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[tokio::test]
async fn what_a_person_key_seals_opens_in_its_place_alone() {
    each_store(async |store: Store| {
        let keyring = keyring(&store, &[1]).await;
        let (anna, ben) = (keyring.create(person(1)).await.unwrap(), keyring.create(person(2)).await.unwrap());
        assert_eq!(anna.person(), person(1));
        let sealed = anna.seal(EMAIL, b"anna@example.com");
        assert_eq!(anna.open_text(EMAIL, &sealed).unwrap(), "anna@example.com");
        assert_eq!(sealed.len(), 16 + 29);
        assert_ne!(sealed, anna.seal(EMAIL, b"anna@example.com"), "nonces differ");
        for elsewhere in [
            Place { table: "people", ..EMAIL },
            Place { column: "name", ..EMAIL },
            Place { row: b"2", ..EMAIL },
            Place { table: "use", column: "rsemail", ..EMAIL },
        ] {
            assert!(matches!(anna.open(elsewhere, &sealed), Err(SealError::Altered)), "{elsewhere:?}");
        }
        assert!(matches!(ben.open(EMAIL, &sealed), Err(SealError::Altered)));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 0x40;
            assert!(matches!(anna.open(EMAIL, &changed), Err(SealError::Altered)), "byte {place}");
            assert!(matches!(anna.open(EMAIL, &sealed[..place]), Err(SealError::Altered)));
        }
        assert!(matches!(anna.open_text(EMAIL, &anna.seal(EMAIL, &[0xff])), Err(SealError::Altered)));
    })
    .await;
}

#[tokio::test]
async fn another_instance_reads_the_same_keys() {
    each_store(async |store: Store| {
        let first = keyring(&store, &[1]).await;
        let sealed = first.create(person(1)).await.unwrap().seal(EMAIL, b"x");
        let second = keyring(&store, &[1]).await;
        assert_eq!(second.get(person(1)).await.unwrap().open(EMAIL, &sealed).unwrap(), b"x");
        assert!(matches!(second.get(person(2)).await, Err(SealError::Erased)));
        assert!(matches!(second.create(person(1)).await, Err(SealError::Db(DbError::Unique(_)))));
    })
    .await;
}

#[tokio::test]
async fn many_come_at_once_and_the_erased_are_missing() {
    each_store(async |store: Store| {
        let first = keyring(&store, &[1]).await;
        for number in 1..=70 {
            first.create(person(number)).await.unwrap();
        }
        let second = keyring(&store, &[1]).await;
        second.get(person(3)).await.unwrap();
        first.destroy(person(4)).await.unwrap();
        let mut asked: Vec<_> = (1..=80).map(person).collect();
        asked.push(person(1));
        for _ in 0..2 {
            let found = second.get_many(&asked).await.unwrap();
            assert_eq!(found.len(), 69);
            assert!(!found.contains_key(&person(4)) && found.iter().all(|(person, key)| key.person() == *person));
        }
        assert!(second.get_many(&[]).await.unwrap().is_empty());
        assert!(second.get_many(&[person(4)]).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_destroyed_key_is_gone_here_and_elsewhere_once_forgotten() {
    each_store(async |store: Store| {
        let (here, there) = (keyring(&store, &[1]).await, keyring(&store, &[1]).await);
        here.create(person(1)).await.unwrap();
        there.get(person(1)).await.unwrap();
        here.destroy(person(1)).await.unwrap();
        assert!(matches!(here.get(person(1)).await, Err(SealError::Erased)));
        assert!(there.get(person(1)).await.is_ok(), "its cache has not heard of it yet");
        there.forget(person(1));
        assert!(matches!(there.get(person(1)).await, Err(SealError::Erased)));
        assert!(matches!(here.destroy(person(1)).await, Err(SealError::Erased)));
        // A new key for the same person opens nothing old.
        let old = here.create(person(2)).await.unwrap().seal(EMAIL, b"x");
        here.destroy(person(2)).await.unwrap();
        assert!(here.create(person(2)).await.unwrap().open(EMAIL, &old).is_err());
    })
    .await;
}

#[tokio::test]
async fn the_blind_index_is_stable_and_separates_fields() {
    each_store(async |store: Store| {
        let index = keyring(&store, &[1]).await.blind_index("email", "anna@example.com");
        let again = keyring(&store, &[1]).await;
        assert_eq!(again.blind_index("email", "anna@example.com"), index);
        assert_ne!(again.blind_index("name", "anna@example.com"), index);
        assert_ne!(again.blind_index("emaila", "nna@example.com"), index);
        assert_ne!(again.blind_index("email", "ben@example.com"), index);
    })
    .await;
    let indexes = [Store::sqlite().await, Store::sqlite().await];
    let [a, b] = &indexes;
    assert_ne!(keyring(a, &[1]).await.blind_index("email", "a"), keyring(b, &[1]).await.blind_index("email", "a"), "installations differ");
}

#[tokio::test]
async fn instances_that_start_together_agree_on_the_index_key() {
    each_store(async |store: Store| {
        let starts = (0..8_u64).map(|seed| {
            let db = store.keyring.clone();
            tokio::spawn(async move { Keyring::open(db, roots(&[1]), Random::seeded(seed), clock()).await.unwrap().blind_index("f", "v") })
        });
        let mut indexes = Vec::new();
        for start in starts.collect::<Vec<_>>() {
            indexes.push(start.await.unwrap());
        }
        indexes.dedup();
        assert_eq!(indexes.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn old_keys_are_listed_page_by_page() {
    each_store(async |store: Store| {
        let time = clock();
        let keyring = Keyring::open(store.keyring.clone(), roots(&[1]), Random::seeded(1), time.clone()).await.unwrap();
        for number in [5, 1, 3] {
            keyring.create(person(number)).await.unwrap();
        }
        let later = time.advance(Duration::from_secs(60));
        keyring.create(person(2)).await.unwrap();
        let page = keyring.orphans(later, None, 2).await.unwrap();
        assert_eq!(page, [person(1), person(3)]);
        assert_eq!(keyring.orphans(later, page.last().copied(), 2).await.unwrap(), [person(5)]);
        assert!(keyring.orphans(later.minus(Duration::from_secs(60)), None, 9).await.unwrap().is_empty());
    })
    .await;
}

#[test]
fn any_bytes_in_any_place_open_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = runtime.block_on(async { keyring(&Store::sqlite().await, &[1]).await.create(person(1)).await.unwrap() });
    proptest!(|(table: String, column: String, row: Vec<u8>, plain: Vec<u8>)| {
        let place = Place { table: &table, column: &column, row: &row };
        prop_assert_eq!(key.open(place, &key.seal(place, &plain)).unwrap(), plain);
    });
}
