//! Signing keys: the first one, rotation, what is published.

use std::collections::HashSet;
use std::time::Duration;

use keystead::secret::{EXPIRY_LEEWAY, PUBLISH_AHEAD, Random, Signer, TokenError};
use keystead::time::Clock;
use serde_json::{Value, json};

use super::stores::{ACCESS_TTL, ISSUER, Store, clock, each_store};
use super::support::roots;

const TYP: &str = "at+jwt";

async fn signer(store: &Store, clock: &Clock, seed: u64) -> Signer {
    Signer::open(store.main.clone(), roots(&[1]), Random::seeded(seed), clock.clone(), ACCESS_TTL).await.unwrap()
}

fn token(signer: &Signer, clock: &Clock) -> String {
    let now = clock.now().as_secs();
    let claims = json!({"iss": ISSUER, "sub": "1", "iat": now, "exp": now + ACCESS_TTL.as_secs() as i64});
    signer.sign(TYP, &claims).unwrap()
}

fn verify(signer: &Signer, token: &str, clock: &Clock) -> Result<Value, TokenError> {
    signer.verify(TYP, token, ISSUER, clock.now())
}

fn kids(signer: &Signer) -> Vec<String> {
    let set: Value = serde_json::from_str(&signer.jwks()).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test]
async fn a_stock_library_verifies_tokens_from_the_published_set() {
    let (store, time) = (Store::sqlite().await, clock());
    let signer = signer(&store, &time, 1).await;
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&signer.jwks()).unwrap();
    let token = token(&signer, &time);
    let jwk = set.find(&kid_of(&token)).unwrap();
    assert_eq!(jwk.common.key_algorithm, Some(jsonwebtoken::jwk::KeyAlgorithm::EdDSA));
    assert_eq!(jwk.common.public_key_use, Some(jsonwebtoken::jwk::PublicKeyUse::Signature));
    assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), kid_of(&token), "RFC 7638");
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    rules.set_issuer(&[ISSUER]);
    rules.validate_exp = false; // its clock is not ours
    let key = jsonwebtoken::DecodingKey::try_from(jwk).unwrap();
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap().claims;
    assert_eq!(claims["sub"], "1");
    assert!(!signer.jwks().contains("\"d\""), "no private half is published");
}

#[tokio::test]
async fn a_restart_keeps_the_key_and_instances_share_it() {
    each_store(async |store: Store| {
        let time = clock();
        let (first, second) = (signer(&store, &time, 1).await, signer(&store, &time, 2).await);
        assert_eq!(first.jwks(), second.jwks());
        assert!(verify(&second, &token(&first, &time), &time).is_ok());
        assert!(verify(&first, &token(&second, &time), &time).is_ok());
    })
    .await;
}

#[tokio::test]
async fn instances_that_start_together_agree_on_one_key() {
    each_store(async |store: Store| {
        let starts = (0..8_u64).map(|seed| {
            let db = store.main.clone();
            tokio::spawn(async move { Signer::open(db, roots(&[1]), Random::seeded(seed), clock(), ACCESS_TTL).await.unwrap().jwks() })
        });
        let mut sets = HashSet::new();
        for start in starts.collect::<Vec<_>>() {
            sets.insert(start.await.unwrap());
        }
        assert_eq!(sets.len(), 1, "{sets:?}");
        assert_eq!(sets.iter().next().unwrap().matches("\"kid\"").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_rotation_publishes_first_and_signs_later_and_no_token_dies_early() {
    each_store(async |store: Store| {
        let time = clock();
        let (here, there) = (signer(&store, &time, 1).await, signer(&store, &time, 2).await);
        let old_kid = kids(&here)[0].clone();
        let new_kid = here.rotate().await.unwrap();
        assert_eq!(kids(&here), [old_kid.clone(), new_kid.clone()]);
        assert_eq!(kids(&there), std::slice::from_ref(&old_kid));
        there.reload().await.unwrap();
        assert_eq!(kids(&there), kids(&here));

        time.advance(PUBLISH_AHEAD - Duration::from_micros(1));
        let last_of_old = token(&here, &time);
        assert_eq!(kid_of(&last_of_old), old_kid);
        time.advance(Duration::from_micros(1));
        let first_of_new = token(&here, &time);
        assert_eq!(kid_of(&first_of_new), new_kid);
        assert!(verify(&there, &last_of_old, &time).is_ok() && verify(&there, &first_of_new, &time).is_ok());

        time.advance(ACCESS_TTL - Duration::from_secs(2));
        assert!(verify(&there, &last_of_old, &time).is_ok());
        time.advance(Duration::from_secs(2) + EXPIRY_LEEWAY);
        assert_eq!(kids(&there), [new_kid], "the old key left without a reload");
        assert_eq!(verify(&there, &last_of_old, &time), Err(TokenError::Invalid));
    })
    .await;
}

#[tokio::test]
async fn rotations_at_one_instant_keep_their_order() {
    each_store(async |store: Store| {
        let time = clock();
        let signer = signer(&store, &time, 1).await;
        let mut expected = kids(&signer);
        for _ in 0..3 {
            expected.push(signer.rotate().await.unwrap());
        }
        assert_eq!(kids(&signer), expected);
        time.advance(PUBLISH_AHEAD + Duration::from_secs(1));
        assert_eq!(Some(&kid_of(&token(&signer, &time))), expected.last());
        time.advance(ACCESS_TTL + EXPIRY_LEEWAY + Duration::from_secs(1));
        let newest = signer.rotate().await.unwrap();
        assert_eq!(kids(&signer), [expected.pop().unwrap(), newest]);
    })
    .await;
}

#[tokio::test]
async fn a_key_sealed_by_a_master_key_that_is_not_here_yet_still_verifies() {
    each_store(async |store: Store| {
        let time = clock();
        let behind = signer(&store, &time, 1).await;
        let ahead = Signer::open(store.main.clone(), roots(&[2, 1]), Random::seeded(2), time.clone(), ACCESS_TTL).await.unwrap();
        ahead.rotate().await.unwrap();
        time.advance(PUBLISH_AHEAD);
        assert!(behind.reload().await.is_err(), "it says that it cannot sign with the new key");
        assert!(verify(&behind, &token(&ahead, &time), &time).is_ok());
        assert!(verify(&ahead, &token(&behind, &time), &time).is_ok());
    })
    .await;
}
