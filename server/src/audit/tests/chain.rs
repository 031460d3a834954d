//! P9: whoever edits, drops, adds or moves an event by hand is found out, on both engines.

use futures_util::future::join_all;
use keystead::args;
use keystead::audit::chain::{GENESIS, Recorded};
use keystead::audit::{self, Broken, Verification};
use keystead::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Instance, SignedIn, Store, both_stores, eventually};

/// Computed by another program (Python's hashlib) from the description in `chain.rs`.
const PINNED: &str = "dd3dd0b3a87e55857169b16fa0a83c4c0504f5e40f90b0ca140909defb3f759a";
const VERIFY: &str = "/api/v1/admin/audit/verify";

pub async fn sealed(instance: &Instance) -> Verification {
    eventually("a sealed trail", async || {
        let left = instance.count("SELECT count(*) FROM audit_events WHERE seq IS NULL", vec![]).await;
        (left == 0).then_some(())
    })
    .await;
    audit::verify(&instance.running.app.ground).await.unwrap()
}

/// An installation on which something happened, and somebody who may look.
pub async fn busy(store: Store) -> (Instance, SignedIn) {
    let instance = Instance::start(store).await;
    let auditor = instance.signed_up("auditor@example.com").await;
    instance.set_roles(&auditor, "auditor").await;
    for n in 0..8 {
        let consent = json!({ "policy": "privacy", "version": n.to_string() });
        auditor.api.post("/api/v1/account/consents", consent).await.expect(201);
    }
    sealed(&instance).await;
    (instance, auditor)
}

async fn assert_broken(instance: &Instance, auditor: &SignedIn, seq: i64, reason: &'static str) {
    let answer = auditor.api.get(VERIFY).await.expect(200);
    let expected = json!({"seq": seq, "reason": reason});
    assert_eq!((&answer.body["valid"], &answer.body["firstBroken"]), (&json!(false), &expected), "{answer}");
    let found = audit::verify(&instance.running.app.ground).await.unwrap();
    assert_eq!(found.first_broken, Some(Broken { seq, reason }));
}

async fn an_untouched_trail_is_whole(store: Store) {
    let (instance, auditor) = busy(store).await;
    let events = i64::try_from(instance.events().await.len()).unwrap();
    let answer = auditor.api.get(VERIFY).await.expect(200);
    assert_eq!(answer.body, json!({"valid": true, "checked": events, "sealedUpTo": events, "firstBroken": null}));
    let places = instance.rows("SELECT seq FROM audit_events ORDER BY seq", vec![]).await;
    let places: Vec<i64> = places.iter().map(|row| row.get(0).unwrap()).collect();
    assert_eq!(places, (1..=events).collect::<Vec<_>>());
}

async fn an_edited_event_is_named(store: Store) {
    let (instance, auditor) = busy(store).await;
    // SQLite takes a value of any type into any column.
    let of_other_types: &[&str] = match store {
        Store::Sqlite => &[
            "UPDATE audit_events SET target_id = 'somebody else' WHERE seq = 4",
            "UPDATE audit_events SET at = 'yesterday' WHERE seq = 4",
            "UPDATE audit_events SET action = x'00ff' WHERE seq = 4",
        ],
        Store::Postgres => &[],
    };
    let of_the_same = [
        "UPDATE audit_events SET details = '{}' WHERE seq = 4",
        "UPDATE audit_events SET outcome = 'denied' WHERE seq = 4",
        "UPDATE audit_events SET actor_id = NULL WHERE seq = 4",
        "UPDATE audit_events SET origin = NULL, sealed_for = NULL WHERE seq = 4",
        "UPDATE audit_events SET at = at + 1 WHERE seq = 4",
        "UPDATE audit_events SET hash = previous_hash WHERE seq = 4",
    ];
    for change in of_the_same.iter().chain(of_other_types).copied() {
        instance.change("CREATE TABLE before_it AS SELECT * FROM audit_events WHERE seq = 4", vec![]).await;
        assert_eq!(instance.change(change, vec![]).await, 1, "{change}");
        assert_broken(&instance, &auditor, 4, "altered").await;
        instance.change("DELETE FROM audit_events WHERE seq = 4", vec![]).await;
        instance.change("INSERT INTO audit_events SELECT * FROM before_it", vec![]).await;
        instance.change("DROP TABLE before_it", vec![]).await;
        assert!(sealed(&instance).await.valid, "{change}");
    }
    instance.change("UPDATE audit_events SET previous_hash = hash WHERE seq = 5", vec![]).await;
    assert_broken(&instance, &auditor, 5, "unlinked").await;
}

async fn a_deleted_event_is_named(store: Store) {
    let (instance, auditor) = busy(store).await;
    instance.change("DELETE FROM audit_events WHERE seq = 6", vec![]).await;
    assert_broken(&instance, &auditor, 6, "missing").await;
    // Closing the gap by hand does not help.
    instance.change("UPDATE audit_events SET seq = 6 WHERE seq = 7", vec![]).await;
    assert_broken(&instance, &auditor, 6, "unlinked").await;
}

async fn swapped_events_are_named(store: Store) {
    let (instance, auditor) = busy(store).await;
    for (from, to) in [(3, -1), (5, 3), (-1, 5)] {
        instance.change("UPDATE audit_events SET seq = $2 WHERE seq = $1", args![from, to]).await;
    }
    assert_broken(&instance, &auditor, 3, "unlinked").await;
}

async fn an_event_added_by_hand_is_named(store: Store) {
    let (instance, auditor) = busy(store).await;
    let last = sealed(&instance).await.sealed_up_to;
    let add = "INSERT INTO audit_events (id, at, actor_type, action, target_type, outcome, details, seq, previous_hash, hash)
        SELECT $1, at, 'system', 'user.created', 'user', 'success', '{}', $2, hash, hash FROM audit_events WHERE seq = $3";
    instance.change(add, args![Uuid::from_u128(7), last + 1, last]).await;
    assert_broken(&instance, &auditor, last + 1, "altered").await;
    instance.change("UPDATE audit_events SET seq = 0 WHERE id = $1", args![Uuid::from_u128(7)]).await;
    assert_broken(&instance, &auditor, 0, "missing").await;
    instance.change("UPDATE audit_events SET seq = $2 WHERE id = $1", args![Uuid::from_u128(7), last + 9]).await;
    assert_broken(&instance, &auditor, last + 1, "missing").await;
}

/// Many sealers at once, on two instances, make one chain.
async fn sealers_at_once_do_not_fork_the_chain(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let people = ["ada@example.com", "bob@example.com"];
    let (one, two) = tokio::join!(instance.signed_up(people[0]), second.signed_up(people[1]));
    let acts = (0..40).map(|n| {
        let api = if n % 2 == 0 { &one.api } else { &two.api };
        let (first, other) = (&instance.running.app.ground, &second.running.app.ground);
        async move {
            let act = api.post("/api/v1/account/consents", json!({ "policy": "privacy", "version": n.to_string() }));
            let (answer, ..) = tokio::join!(act, audit::seal(first), audit::seal(other));
            answer.expect(201);
        }
    });
    join_all(acts).await;
    let found = sealed(&instance).await;
    assert!(found.valid, "{found:?}");
    assert_eq!(found.checked, i64::try_from(instance.events().await.len()).unwrap());
    let unequal = instance.count("SELECT count(*) FROM (SELECT DISTINCT previous_hash FROM audit_events) AS links", vec![]).await;
    assert_eq!(unequal, found.checked, "no two follow the same");
}

/// What is erased cannot be opened any more, and the chain holds.
async fn erasing_a_person_leaves_the_chain_whole(store: Store) {
    let (instance, auditor) = busy(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let id: Uuid = ada.id().parse().unwrap();
    sealed(&instance).await;
    let origin = async || {
        let path = format!("/api/v1/admin/audit?actor={id}&action=user.registered");
        auditor.api.get(&path).await.expect(200).body["items"][0]["ip"].clone()
    };
    assert_eq!(origin().await, json!("127.0.0.1"));
    let by = || keystead::accounts::By::of(audit::Actor::Operator);
    let now = instance.clock.now();
    instance.running.app.lifecycle.delete(id, by(), now).await.unwrap();
    instance.running.app.lifecycle.erase(id, by(), now).await.unwrap();
    assert_eq!(origin().await, json!(null));
    let found = sealed(&instance).await;
    assert!(found.valid, "{found:?}");
}

fn event() -> Recorded {
    Recorded {
        id: Uuid::from_u128(1),
        at: Timestamp::from_micros(2),
        actor_type: "user".into(),
        actor: Some(Uuid::from_u128(3)),
        action: "a.b".into(),
        target_type: "user".into(),
        target: None,
        outcome: "success".into(),
        sealed_for: None,
        origin: None,
        request_id: None,
        details: "{}".into(),
    }
}

/// The canonical form is a promise: a chain that was sealed by one version is verified by all later ones.
#[test]
fn the_hash_of_an_event_never_changes() {
    let hash = event().hash(1, &GENESIS);
    assert_eq!(keystead::db::hex(&hash), PINNED);
    assert_ne!(Recorded { origin: Some(vec![]), ..event() }.hash(1, &GENESIS), hash, "nothing is not an empty value");
    assert_ne!(event().hash(2, &GENESIS), hash);
    assert_ne!(event().hash(1, &[1; 32]), hash);
}

proptest! {
    /// Where one text ends and the next begins is part of the form.
    #[test]
    fn texts_that_run_together_are_told_apart(text in "[a-z]{2,12}", one in 0usize..12, two in 0usize..12) {
        let (one, two) = (one.min(text.len()), two.min(text.len()));
        let cut = |at: usize| Recorded { actor_type: text[..at].into(), action: text[at..].into(), actor: None, ..event() };
        prop_assert_eq!(cut(one).hash(1, &GENESIS) == cut(two).hash(1, &GENESIS), one == two);
    }
}

both_stores!(
    an_untouched_trail_is_whole,
    an_edited_event_is_named,
    a_deleted_event_is_named,
    swapped_events_are_named,
    an_event_added_by_hand_is_named,
    sealers_at_once_do_not_fork_the_chain,
    erasing_a_person_leaves_the_chain_whole
);
