//! P4: old events go, and what is left still verifies.

use std::time::Duration;

use keystead::args;
use keystead::audit::{self, Broken, SPACING, verify_file};

use super::chain::sealed;
use super::checkpoints::{flood, verified};
use crate::support::{Instance, Store, both_stores};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A trail with checkpoints, swept `days` later.
async fn swept_after(store: Store, days: u32) -> Instance {
    let instance = Instance::start(store).await;
    flood(&instance, 2 * SPACING + 100).await;
    instance.advance(DAY * days);
    instance.running.app.housekeep(instance.clock.now()).await;
    sealed(&instance).await;
    instance
}

async fn places(instance: &Instance) -> (i64, i64) {
    let row = instance.rows("SELECT min(seq), max(seq) FROM audit_events", vec![]).await.remove(0);
    (row.get(0).unwrap(), row.get(1).unwrap())
}

async fn old_events_go_and_the_rest_verifies(store: Store) {
    let instance = swept_after(store, 92).await;
    assert_eq!(places(&instance).await, (2 * SPACING + 1, 2 * SPACING + 101));
    let found = verified(&instance).await;
    assert!(found.valid, "{found:?}");
    assert_eq!((found.checked, found.sealed_up_to), (101, 2 * SPACING + 101));
    let told = instance.rows("SELECT details FROM audit_events WHERE action = 'audit.cut'", vec![]).await;
    let told: Vec<String> = told.iter().map(|row| row.get(0).unwrap()).collect();
    assert_eq!(told, [r#"{"deleted":2000,"upTo":2000}"#]);

    // An export begins there, too.
    let event = audit::Event::new(&instance.running.app.ground, audit::AUDIT_EXPORTED, instance.clock.now());
    let mut export =
        audit::Export::open(&instance.running.app.ground, audit::Format::Ndjson, audit::Selection::default(), event).await.unwrap();
    let mut file = Vec::new();
    while let Some(bytes) = export.next().await.unwrap() {
        file.extend(bytes);
    }
    let offline = verify_file(file.as_slice(), None).unwrap().verification;
    assert_eq!((offline.valid, offline.checked, offline.sealed_up_to), (true, 102, 2 * SPACING + 102));

    // Sweeping again does nothing.
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(places(&instance).await.0, 2 * SPACING + 1);
}

async fn what_is_young_stays(store: Store) {
    let instance = swept_after(store, 90).await;
    assert_eq!(places(&instance).await, (1, 2 * SPACING + 100));
    assert!(verified(&instance).await.valid);
}

/// Whoever deletes by hand cannot say that retention did.
async fn a_beginning_that_was_cut_by_hand_is_found(store: Store) {
    let instance = swept_after(store, 92).await;
    instance.change("DELETE FROM audit_events WHERE seq <= $1", args![2 * SPACING + 50]).await;
    let broken = |seq, reason| Some(Broken { seq, reason });
    assert_eq!(verified(&instance).await.first_broken, broken(2 * SPACING + 1, "missing"));
    instance.change("UPDATE audit_checkpoints SET seq = seq + 50 WHERE kind = 'begins'", vec![]).await;
    assert_eq!(verified(&instance).await.first_broken, broken(2 * SPACING + 50, "forged"));
    instance.change("DELETE FROM audit_checkpoints WHERE kind = 'begins'", vec![]).await;
    assert_eq!(verified(&instance).await.first_broken, broken(1, "missing"));
}

both_stores!(old_events_go_and_the_rest_verifies, what_is_young_stays, a_beginning_that_was_cut_by_hand_is_found);
