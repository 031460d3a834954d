//! One-time codes and links, below the routes: what is stored, who can use it, when it goes.

use std::time::Duration;

use keystead::codes::{self, CODE_ATTEMPTS, NewCode, Purpose, normalise_code};
use keystead::db::DbError;
use uuid::Uuid;

use crate::support::{Instance, Store, both_stores};

#[test]
fn codes_are_read_the_way_people_type_them() {
    for typed in ["123456", " 123456 ", "123 456", "123-456", "12-34-56", "1 2 3 4 5 6", "\u{a0}123\u{2003}456\n"] {
        assert_eq!(normalise_code(typed).as_deref(), Some("123456"), "{typed:?}");
    }
    for typed in ["", "12345", "1234567", "12345a", "１２３４５６", "٠١٢٣٤٥", "12.345", "+12345", "12345\0", "1e5000"] {
        assert_eq!(normalise_code(typed), None, "{typed:?}");
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// Writes a code or link of `subject` and returns its secret.
async fn issue(instance: &Instance, purpose: Purpose, subject: Uuid, payload: Option<&[u8]>) -> String {
    let (ground, now) = (&instance.running.app.ground, instance.clock.now());
    let id = ground.random.uuid(now);
    let issued = match purpose {
        Purpose::VerifyEmail => NewCode::digits(ground, id, purpose, subject, payload, now, now.plus(HOUR)),
        Purpose::ResetPassword => NewCode::link(ground, id, purpose, subject, now, now.plus(HOUR)),
        Purpose::TranscriptTicket => NewCode::ticket(ground, id, purpose, payload.unwrap_or_default(), now, now.plus(HOUR)),
        Purpose::RealtimeTicket => NewCode::ticket(ground, id, purpose, payload.unwrap_or_default(), now, now.plus(HOUR)),
    };
    let code = issued.code;
    assert!(
        ground
            .db
            .write(async move |tx| {
                let first = codes::issue(tx, &code).await?;
                Ok::<_, DbError>(first && !codes::issue(tx, &code).await?)
            })
            .await
            .unwrap(),
        "an id is issued once"
    );
    issued.secret
}

async fn try_code(instance: &Instance, purpose: Purpose, subject: Uuid, typed: &str) -> Option<codes::Used> {
    let (roots, typed, now) = (instance.running.app.ground.roots.clone(), typed.to_owned(), instance.clock.now());
    let work = async move |tx: &mut keystead::db::Tx| codes::use_code(tx, &roots, purpose, subject, &typed, now).await;
    instance.running.app.ground.db.write(work).await.unwrap()
}

async fn try_link(instance: &Instance, purpose: Purpose, token: &str) -> Option<codes::Used> {
    let (roots, token, now) = (instance.running.app.ground.roots.clone(), token.to_owned(), instance.clock.now());
    let work = async move |tx: &mut keystead::db::Tx| codes::use_link(tx, &roots, purpose, &token, now).await;
    instance.running.app.ground.db.write(work).await.unwrap()
}

/// A code is worth something for its person and its purpose alone, once, and brings its payload along.
async fn a_code_is_bound(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let code = issue(&instance, Purpose::VerifyEmail, ada, Some(b"carried along")).await;
    assert!(try_code(&instance, Purpose::VerifyEmail, eve, &code).await.is_none());
    assert!(try_code(&instance, Purpose::ResetPassword, ada, &code).await.is_none());
    assert!(try_link(&instance, Purpose::VerifyEmail, &code).await.is_none());
    let used = try_code(&instance, Purpose::VerifyEmail, ada, &code).await.unwrap();
    assert_eq!((used.subject, used.payload.as_deref()), (ada, Some(b"carried along".as_slice())));
    assert!(try_code(&instance, Purpose::VerifyEmail, ada, &code).await.is_none());

    let link = issue(&instance, Purpose::ResetPassword, ada, None).await;
    let ground = &instance.running.app.ground;
    let owner = async |token: &str| {
        codes::link_owner(&ground.db, &ground.roots, Purpose::ResetPassword, token, instance.clock.now()).await.unwrap()
    };
    assert_eq!((owner(&link).await, owner("made-up").await), (Some(ada), None));
    assert!(try_link(&instance, Purpose::VerifyEmail, &link).await.is_none());
    assert_eq!(try_link(&instance, Purpose::ResetPassword, &link).await.map(|used| used.subject), Some(ada));
    assert!(try_link(&instance, Purpose::ResetPassword, &link).await.is_none());
    assert_eq!(owner(&link).await, None);
}

/// A guess costs every open code a try, so more codes are no more guesses.
async fn a_guess_costs_every_open_code_a_try(store: Store) {
    let instance = Instance::start(store).await;
    let ada = Uuid::from_u128(1);
    let mut secrets = Vec::new();
    for _ in 0..3 {
        secrets.push(issue(&instance, Purpose::VerifyEmail, ada, None).await);
    }
    let wrong = (0..1_000_000).map(|n| format!("{n:06}")).find(|guess| !secrets.contains(guess)).unwrap();
    for _ in 0..CODE_ATTEMPTS {
        assert!(try_code(&instance, Purpose::VerifyEmail, ada, &wrong).await.is_none());
    }
    assert_eq!(instance.count("SELECT count(*) FROM codes WHERE attempts_left = 0", vec![]).await, 3);
    for secret in &secrets {
        assert!(try_code(&instance, Purpose::VerifyEmail, ada, secret).await.is_none());
    }
}

/// Neither the code nor the link nor what they carry stands in the table.
async fn only_hashes_are_stored(store: Store) {
    let instance = Instance::start(store).await;
    let ada = Uuid::from_u128(1);
    let payload = b"a name and a password hash";
    let code = issue(&instance, Purpose::VerifyEmail, ada, Some(payload)).await;
    let link = issue(&instance, Purpose::ResetPassword, ada, None).await;
    for row in instance.rows("SELECT secret_hash, payload FROM codes", vec![]).await {
        let (hash, sealed): (Vec<u8>, Option<Vec<u8>>) = (row.get(0).unwrap(), row.get(1).unwrap());
        assert_eq!(hash.len(), 32);
        for secret in [code.as_bytes(), link.as_bytes(), payload.as_slice()] {
            for stored in [Some(hash.as_slice()), sealed.as_deref()].into_iter().flatten() {
                assert!(!stored.windows(secret.len()).any(|window| window == secret));
            }
        }
    }
    assert!(link.len() >= 43, "256 bits");
}

/// What expired is kept for a day, for whoever looks into an incident, and then goes.
async fn expired_codes_are_purged(store: Store) {
    let instance = Instance::start(store).await;
    let code = issue(&instance, Purpose::VerifyEmail, Uuid::from_u128(1), None).await;
    // Of tickets there are many, and nobody asks for them later.
    for purpose in [Purpose::RealtimeTicket, Purpose::TranscriptTicket] {
        issue(&instance, purpose, Uuid::from_u128(1), Some(b"carried along")).await;
    }
    let rows = async || instance.count("SELECT count(*) FROM codes", vec![]).await;
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(rows().await, 3);
    instance.running.app.housekeep(instance.advance(2 * HOUR)).await;
    assert!(try_code(&instance, Purpose::VerifyEmail, Uuid::from_u128(1), &code).await.is_none(), "expired");
    assert_eq!(rows().await, 1);
    instance.running.app.housekeep(instance.advance(24 * HOUR)).await;
    assert_eq!(rows().await, 0);
}

both_stores!(a_code_is_bound, a_guess_costs_every_open_code_a_try, only_hashes_are_stored, expired_codes_are_purged);
