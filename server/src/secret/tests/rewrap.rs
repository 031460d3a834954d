//! Replacing the master key without downtime.

use keystead::secret::{Place, SealError};
use uuid::Uuid;

use super::stores::{Store, each_store, keyring, open_keyring, open_signer};

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
