//! A10, A11: suspended, deleted, restored, erased; and nobody's access outlives it.

use std::time::Duration;

use keystead::accounts::{By, Lifecycle, LifecycleError, Status};
use keystead::args;
use keystead::audit::Actor;
use keystead::secret::{Place, SealError};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Instance, PASSWORD, SignedIn, Store, both_stores, eventually};

const ADA: &str = "ada@example.com";
const ME: &str = "/api/v1/auth/me";
const GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

fn by() -> By {
    By { reason: Some("asked to".into()), ..By::of(Actor::Operator) }
}

fn lifecycle(instance: &Instance) -> &Lifecycle {
    &instance.running.app.lifecycle
}

fn id(person: &SignedIn) -> Uuid {
    person.id().parse().unwrap()
}

async fn login(instance: &Instance) -> u16 {
    instance.post("/api/v1/auth/login", json!({ "email": ADA, "password": PASSWORD })).await.status
}

async fn status(instance: &Instance) -> Option<String> {
    instance.rows("SELECT status FROM users", vec![]).await.first().map(|row| row.get(0).unwrap())
}

/// No token of the person works, here at once, there within a second, and refreshing does not help.
async fn is_out(instance: &Instance, second: &Instance, person: &SignedIn) {
    instance.with_token(&person.access_token).get(ME).await.expect_problem(401, "session_revoked");
    eventually("the other instance to hear of it", async || {
        (second.with_token(&person.access_token).get(ME).await.status == 401).then_some(())
    })
    .await;
    for api in [instance, second] {
        let answer = api.post("/api/v1/auth/refresh", json!({ "refreshToken": person.refresh_token })).await;
        assert_eq!(answer.status, 401, "{answer}");
    }
}

async fn a_suspension_ends_every_session(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up(ADA).await;
    let there = second.signed_in(ADA).await;
    second.with_token(&ada.access_token).get(ME).await.expect(200);
    lifecycle(&instance).suspend(id(&ada), by(), instance.clock.now()).await.unwrap();
    is_out(&instance, &second, &ada).await;
    is_out(&second, &instance, &there).await;
    assert_eq!(login(&instance).await, 403);
    lifecycle(&second).activate(id(&ada), by(), instance.clock.now()).await.unwrap();
    assert_eq!(login(&instance).await, 200);
    // The old sessions stay ended.
    is_out(&instance, &second, &ada).await;
}

async fn a_deleted_account_can_be_restored(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up(ADA).await;
    let now = instance.clock.now();
    let erases_at = lifecycle(&instance).delete(id(&ada), by(), now).await.unwrap();
    assert_eq!(erases_at, now.plus(GRACE));
    is_out(&instance, &second, &ada).await;
    assert_eq!(login(&instance).await, 401);
    instance.advance(GRACE - Duration::from_secs(60));
    instance.running.app.housekeep(instance.clock.now()).await;
    lifecycle(&instance).restore(id(&ada), by(), instance.clock.now()).await.unwrap();
    assert_eq!(login(&instance).await, 200);
    // The grace that ended meanwhile is forgotten with the deletion.
    instance.running.app.housekeep(instance.advance(GRACE)).await;
    assert_eq!(status(&instance).await.as_deref(), Some("active"));
}

async fn states_only_change_as_they_may(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let (acts, id, now) = (lifecycle(&instance), id(&ada), instance.clock.now());
    let conflict = |result: Result<(), LifecycleError>, expected: Status| match result {
        Err(LifecycleError::Conflict(status)) => assert_eq!(status, expected),
        other => panic!("expected a conflict, got {other:?}"),
    };
    conflict(acts.activate(id, by(), now).await, Status::Active);
    conflict(acts.restore(id, by(), now).await, Status::Active);
    conflict(acts.erase(id, by(), now).await, Status::Active);
    acts.suspend(id, by(), now).await.unwrap();
    conflict(acts.suspend(id, by(), now).await, Status::Suspended);
    acts.delete(id, by(), now).await.unwrap();
    conflict(acts.delete(id, by(), now).await.map(drop), Status::Deleted);
    conflict(acts.suspend(id, by(), now).await, Status::Deleted);
    conflict(acts.activate(id, by(), now).await, Status::Deleted);
    assert!(matches!(acts.suspend(Uuid::max(), by(), now).await, Err(LifecycleError::NotFound)));
    assert!(matches!(acts.erase(Uuid::max(), by(), now).await, Err(LifecycleError::NotFound)));

    // An account that was never confirmed is restored as that.
    instance.registered("eve@example.com").await;
    let eve = instance.rows("SELECT id FROM users WHERE status = 'pending'", vec![]).await[0].get(0).unwrap();
    acts.delete(eve, by(), now).await.unwrap();
    acts.restore(eve, by(), now).await.unwrap();
    assert_eq!(instance.count("SELECT count(*) FROM users WHERE status = 'pending'", vec![]).await, 1);
}

/// P3: after the grace nothing of a person can be read again, and the address is free.
async fn after_the_grace_a_person_is_erased(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let (ground, id) = (&instance.running.app.ground, id(&ada));
    let events = instance.events().await;
    let sealed = events.iter().find(|event| event.action == "session.started").unwrap();
    let place = Place { table: "audit_events", column: "origin", row: sealed.id.as_bytes() };
    let origin = sealed.origin.as_deref().unwrap();
    assert!(ground.keyring.get(id).await.unwrap().open_text(place, origin).unwrap().contains("127.0.0.1"));

    lifecycle(&instance).delete(id, by(), instance.clock.now()).await.unwrap();
    instance.advance(GRACE + Duration::from_secs(1));
    // The grace is over, though nothing has swept yet.
    let late = lifecycle(&instance).restore(id, by(), instance.clock.now()).await;
    assert!(matches!(late, Err(LifecycleError::Conflict(Status::Deleted))), "{late:?}");
    instance.running.app.housekeep(instance.clock.now()).await;

    assert_eq!(status(&instance).await, None);
    assert!(matches!(ground.keyring.get(id).await, Err(SealError::Erased)));
    for table in ["SELECT count(*) FROM sessions", "SELECT count(*) FROM consents"] {
        assert_eq!(instance.count(table, vec![]).await, 0, "{table}");
    }
    // The trail stays, unreadable where it was personal.
    let erased: Vec<_> = instance.events().await.into_iter().filter(|event| event.target == Some(id)).collect();
    assert_eq!(erased.last().map(|event| (event.action.as_str(), event.actor_type.as_str())), Some(("user.erased", "system")));

    // Again, and twice at once, is harmless.
    let now = instance.clock.now();
    assert!(matches!(lifecycle(&instance).erase(id, by(), now).await, Err(LifecycleError::NotFound)));
    tokio::join!(instance.running.app.housekeep(now), instance.running.app.housekeep(now));

    let again = instance.signed_up(ADA).await;
    assert_ne!(again.id(), ada.id());
    assert_eq!(login(&instance).await, 200);
}

/// Two instances sweep at once: each person is erased once, on record once.
async fn sweeping_at_once_erases_once(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    for n in 0..5 {
        let person = instance.signed_up(&format!("guest-{n}@example.com")).await;
        lifecycle(&instance).delete(id(&person), by(), instance.clock.now()).await.unwrap();
    }
    let now = instance.advance(GRACE + Duration::from_secs(1));
    tokio::join!(instance.running.app.housekeep(now), second.running.app.housekeep(now));
    // Whoever came second to one went on with the others.
    assert_eq!(instance.count("SELECT count(*) FROM users", vec![]).await, 0);
    assert_eq!(instance.count("SELECT count(*) FROM audit_events WHERE action = 'user.erased'", vec![]).await, 5);
}

/// A key that another instance destroyed does not stay in this one's memory.
async fn erased_keys_are_forgotten_everywhere(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up(ADA).await;
    let keyring = &second.running.app.ground.keyring;
    keyring.get(id(&ada)).await.unwrap();
    lifecycle(&instance).delete(id(&ada), by(), instance.clock.now()).await.unwrap();
    lifecycle(&instance).erase(id(&ada), by(), instance.clock.now()).await.unwrap();
    // Several instances on SQLite are not a topology: nothing is pushed there, and memory keeps a key for ten minutes.
    if store == Store::Postgres {
        eventually("the other instance to forget the key", async || keyring.get(id(&ada)).await.is_err().then_some(())).await;
    }
    eventually("the other instance to refuse", async || (second.with_token(&ada.access_token).get(ME).await.status == 401).then_some(()))
        .await;
}

/// A restore and an erasure at once: either the person is whole, or gone; never there and unreadable.
async fn nobody_is_restored_without_a_key(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    for n in 0..8 {
        let email = format!("guest-{n}@example.com");
        let person = id(&instance.signed_up(&email).await);
        let now = instance.clock.now();
        lifecycle(&instance).delete(person, by(), now).await.unwrap();
        let (erased, restored) = tokio::join!(lifecycle(&instance).erase(person, by(), now), lifecycle(&second).restore(person, by(), now));
        assert!(erased.is_ok() != restored.is_ok(), "{erased:?} {restored:?}");
        let row = instance.count("SELECT count(*) FROM users WHERE id = $1", args![person]).await;
        let key = instance.running.app.ground.keyring.get(person).await.is_ok();
        assert_eq!((row == 1, key), (restored.is_ok(), restored.is_ok()));
    }
}

/// A sign-up that was cut off leaves a key that belongs to nobody; the housekeeping destroys it, and no other.
async fn orphaned_keys_are_swept(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let ground = &instance.running.app.ground;
    let orphan = ground.random.uuid(instance.clock.now());
    ground.keyring.create(orphan).await.unwrap();
    instance.running.app.housekeep(instance.clock.now()).await;
    assert!(ground.keyring.get(orphan).await.is_ok(), "it may belong to a sign-up that is under way");
    instance.running.app.housekeep(instance.advance(Duration::from_secs(2 * 3600))).await;
    assert!(matches!(ground.keyring.get(orphan).await, Err(SealError::Erased)));
    ground.keyring.forget(id(&ada));
    assert!(ground.keyring.get(id(&ada)).await.is_ok());
}

/// Each act is on record with who, whom and why.
async fn every_act_is_on_record(store: Store) {
    let instance = Instance::start(store).await;
    let ada = id(&instance.signed_up(ADA).await);
    let (acts, now) = (lifecycle(&instance), instance.clock.now());
    let before = instance.events().await.len();
    acts.suspend(ada, by(), now).await.unwrap();
    acts.activate(ada, by(), now.plus(Duration::from_millis(1))).await.unwrap();
    acts.delete(ada, by(), now.plus(Duration::from_millis(2))).await.unwrap();
    acts.restore(ada, by(), now.plus(Duration::from_millis(3))).await.unwrap();
    acts.delete(ada, by(), now.plus(Duration::from_millis(4))).await.unwrap();
    acts.erase(ada, By::of(Actor::User(Uuid::max())), now.plus(Duration::from_millis(5))).await.unwrap();
    let events = instance.events().await.split_off(before);
    let names: Vec<_> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(names, ["user.suspended", "user.activated", "user.deleted", "user.restored", "user.deleted", "user.erased"]);
    assert!(events.iter().all(|event| event.target == Some(ada) && event.outcome == "success"));
    assert!(events[..5].iter().all(|event| event.actor_type == "operator" && event.details.contains("asked to")));
    assert_eq!(events[5].actor, Some(Uuid::max()));
    // What was refused is no act.
    acts.suspend(ada, by(), now).await.unwrap_err();
    assert_eq!(instance.events().await.len(), before + 6);
}

/// Who never confirms the address is erased when the retention is over; who has is not, even while another address waits.
async fn a_sign_up_that_nobody_confirms_is_erased(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_RETENTION__UNVERIFIED_ACCOUNTS", 30).start().await;
    let (ada, now) = (instance.signed_up(ADA).await, instance.clock.now());
    instance.registered("never@example.com").await;
    let key = args!["pending".to_owned()];
    let never: Uuid = instance.rows("SELECT id FROM users WHERE status = $1", key).await[0].get(0).unwrap();
    instance.change("UPDATE users SET status = 'pending', email_verified_at = NULL WHERE id = $1", args![id(&ada)]).await;
    instance.running.app.housekeep(now.plus(Duration::from_secs(29 * 24 * 3600))).await;
    assert_eq!(instance.count("SELECT count(*) FROM users", vec![]).await, 2);
    let later = instance.advance(Duration::from_secs(31 * 24 * 3600));
    instance.running.app.housekeep(later).await;
    let left: Vec<Uuid> = instance.rows("SELECT id FROM users", vec![]).await.iter().map(|row| row.get(0).unwrap()).collect();
    assert_eq!(left, [id(&ada)]);
    assert!(matches!(instance.running.app.ground.keyring.get(never).await, Err(SealError::Erased)));
    // The address is free again.
    instance.registered("never@example.com").await;
}

both_stores!(
    a_sign_up_that_nobody_confirms_is_erased,
    a_suspension_ends_every_session,
    a_deleted_account_can_be_restored,
    states_only_change_as_they_may,
    after_the_grace_a_person_is_erased,
    sweeping_at_once_erases_once,
    erased_keys_are_forgotten_everywhere,
    nobody_is_restored_without_a_key,
    orphaned_keys_are_swept,
    every_act_is_on_record,
);
