//! Replacing the master key without downtime.

use keystead::secret::{LastingKey, Place, Random, SealError};
use uuid::Uuid;

use super::stores::{Store, each_store, keyring, open_keyring, open_signer};
use super::support::roots;

const NAME: Place<'static> = Place { table: "users", column: "name", row: b"1" };

#[tokio::test]
async fn the_wrong_master_key_is_told_at_the_start() {
    each_store(async |store: Store| {
        keyring(&store, &[1]).await;
        open_signer(&store, &[1]).await.unwrap();
        assert!(matches!(open_keyring(&store, &[2]).await, Err(SealError::UnknownKey)));
        assert!(matches!(open_signer(&store, &[2]).await, Err(SealError::UnknownKey)));
    })
    .await;
}

#[tokio::test]
async fn rewrapping_moves_everything_to_the_new_master_key() {
    each_store(async |store: Store| {
        let before = keyring(&store, &[1]).await;
        let index = before.blind_index("email", "a");
        let mut sealed = Vec::new();
        for number in 1..=5 {
            sealed.push((number, before.create(Uuid::from_u128(number)).await.unwrap().seal(NAME, b"x")));
        }
        // The new key comes first, the old one still opens.
        let during = keyring(&store, &[2, 1]).await;
        assert_eq!(during.blind_index("email", "a"), index);
        during.create(Uuid::from_u128(6)).await.unwrap();
        assert_eq!(during.rewrap(2).await.unwrap(), 3);
        assert_eq!(during.rewrap(2).await.unwrap(), 1);
        assert_eq!(during.rewrap(2).await.unwrap(), 0);
        assert_eq!(during.rewrap(2).await.unwrap(), 0);
        // The old one may leave.
        let after = keyring(&store, &[2]).await;
        assert_eq!(after.blind_index("email", "a"), index);
        for (number, value) in sealed {
            assert_eq!(after.get(Uuid::from_u128(number)).await.unwrap().open(NAME, &value).unwrap(), b"x");
        }
        assert!(matches!(open_keyring(&store, &[1]).await, Err(SealError::UnknownKey)));
    })
    .await;
}

#[tokio::test]
async fn a_master_key_that_left_too_early_is_told() {
    each_store(async |store: Store| {
        let before = keyring(&store, &[1]).await;
        before.create(Uuid::from_u128(1)).await.unwrap();
        keyring(&store, &[2, 1]).await.rewrap(0).await.unwrap();
        // The installation key has moved, the person's key has not.
        let after = keyring(&store, &[2]).await;
        assert!(matches!(after.get(Uuid::from_u128(1)).await, Err(SealError::UnknownKey)));
        assert!(matches!(after.get_many(&[Uuid::from_u128(1)]).await, Err(SealError::UnknownKey)));
        assert!(matches!(after.rewrap(10).await, Err(SealError::UnknownKey)));
    })
    .await;
}

#[tokio::test]
async fn signing_keys_move_too() {
    each_store(async |store: Store| {
        let before = open_signer(&store, &[1]).await.unwrap();
        let during = open_signer(&store, &[2, 1]).await.unwrap();
        assert_eq!(during.reseal().await.unwrap(), 1);
        assert_eq!(during.reseal().await.unwrap(), 0);
        let after = open_signer(&store, &[2]).await.unwrap();
        assert_eq!(before.jwks(), after.jwks());
    })
    .await;
}

/// What a lasting key signed before holds afterwards, and nobody puts another key in its place.
#[test]
fn lasting_keys_move_too() {
    const PLACE: (&str, &str) = ("audit_keys", "private_key");
    let (key, sealed) = LastingKey::make(&Random::system(), &roots(&[1]), PLACE).unwrap();
    let signature = key.sign(b"what happened").unwrap();
    let public = key.public();
    assert!(matches!(LastingKey::open(&roots(&[2]), PLACE, public, &sealed), Err(SealError::UnknownKey)));
    let moved = LastingKey::reseal(&roots(&[2, 1]), PLACE, public, &sealed).unwrap().unwrap();
    assert!(LastingKey::reseal(&roots(&[2, 1]), PLACE, public, &moved).unwrap().is_none());
    let after = LastingKey::open(&roots(&[2]), PLACE, public, &moved).unwrap();
    assert_eq!(after.sign(b"what happened").unwrap(), signature);
    assert!(after.public().verifies(b"what happened", &signature) && !public.verifies(b"what did not", &signature));

    let (other, _) = LastingKey::make(&Random::system(), &roots(&[2]), PLACE).unwrap();
    assert!(LastingKey::open(&roots(&[2]), PLACE, other.public(), &moved).is_err());
    assert!(LastingKey::open(&roots(&[2]), ("signing_keys", "private_key"), public, &moved).is_err());
}
