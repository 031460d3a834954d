//! Many at once, on one instance and on two: never one too much, never one too few.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::{commit, consume, recorded, release, reserve, state, with_quota};
use crate::support::{Builder, Client, Ground, Instance, SignedIn, Store, both_stores};

/// One instance on SQLite, two on PostgreSQL; somebody who is signed in, as a caller of each.
async fn cluster(builder: Builder, store: Store) -> (Vec<Instance>, SignedIn, Vec<Client>) {
    let mut instances = vec![builder.start().await];
    let ada = instances[0].signed_up("ada@example.com").await;
    if store == Store::Postgres {
        instances.push(instances[0].second().await);
    }
    let callers = instances.iter().map(|instance| instance.with_token(&ada.access_token)).collect();
    (instances, ada, callers)
}

async fn two_hundred_consumers_get_exactly_what_there_is(store: Store) {
    let (instances, ada, callers) = cluster(with_quota(store, "500/1d"), store).await;
    let calls = (0..200).map(|number| consume(&callers[number % callers.len()], json!(7)));
    let answers = join_all(calls).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.body["code"] == "quota_exceeded"));
    // 71 times 7 is 497.
    assert_eq!((taken, state(&ada.api).await), (71, (497, 0, 3)));
    let mut seen: Vec<i64> = answers.iter().filter(|a| a.status == 200).map(|a| a.body["used"].as_i64().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=71).map(|count| count * 7).collect::<Vec<_>>(), "nobody saw what another one saw");
    assert_eq!((recorded(&instances[0], "quota.warned").await, recorded(&instances[0], "quota.exceeded").await), (1, 1));
}

async fn two_hundred_who_reserve_commit_release_and_consume(store: Store) {
    let (instances, ada, callers) = cluster(with_quota(store, "300/1d"), store).await;
    let calls = (0..200).map(|number| {
        let api = &callers[number % callers.len()];
        async move {
            match number % 4 {
                0 | 1 => consume(api, json!(3)).await.status,
                _ => {
                    let answer = api.post(super::RESERVE, json!({"amount": 5})).await;
                    let Some(id) = answer.body["reservation"]["id"].as_str() else { return answer.status };
                    match number % 4 {
                        2 => release(api, id).await.expect(200).status,
                        _ => commit(api, id, 4).await.expect(200).status,
                    }
                }
            }
        }
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|status| *status == 200 || *status == 429));
    let (used, reserved, remaining) = state(&ada.api).await;
    assert!(used <= 300 && reserved == 0 && remaining == 300 - used, "{used} {reserved} {remaining}");
    let counted = answers.iter().enumerate().filter(|(_, status)| **status == 200).map(|(number, _)| [3, 3, 0, 4][number % 4]).sum::<i64>();
    assert_eq!(used, counted);
    assert!(recorded(&instances[0], "quota.warned").await <= 1);
}

/// Of many who commit, release and commit otherwise, one wins.
async fn a_reservation_is_settled_once(store: Store) {
    let (_instances, ada, callers) = cluster(with_quota(store, "100/1d"), store).await;
    let id = reserve(&ada.api, 40).await;
    let calls = (0..32).map(|number| {
        let (api, id) = (&callers[number % callers.len()], &id);
        async move {
            let answer = if number % 2 == 0 { release(api, id).await } else { commit(api, id, 10 + i64::try_from(number).unwrap()).await };
            (answer.status, answer.body["reservation"]["committed"].as_i64())
        }
    });
    let mut won: Vec<_> = join_all(calls).await.into_iter().filter(|(status, _)| *status == 200).map(|(_, committed)| committed).collect();
    won.sort_unstable();
    won.dedup();
    assert_eq!(won.len(), 1, "{won:?}");
    assert_eq!(state(&ada.api).await, (won[0].unwrap_or(0), 0, 100 - won[0].unwrap_or(0)));
}

/// The first use of a day, by many at once.
async fn a_new_day_begins_once(store: Store) {
    let builder = with_quota(store, "1000/1d").clock(super::at("2026-03-10T23:59:00Z"));
    let (instances, ada, callers) = cluster(builder, store).await;
    consume(&ada.api, json!(11)).await.expect(200);
    instances[0].advance(std::time::Duration::from_secs(120));
    join_all((0..64).map(|number| consume(&callers[number % callers.len()], json!(1)))).await.into_iter().for_each(|a| drop(a.expect(200)));
    assert_eq!(state(&ada.api).await, (64, 0, 936));
    let history = ada.api.get("/api/v1/quotas/tokens/history?from=2026-03-10").await.expect(200);
    assert_eq!((&history.body["items"][0]["used"], &history.body["items"][1]["used"]), (&json!(11), &json!(64)));
}

/// The database alone: two instances on PostgreSQL that share no Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_without_redis_are_exact() {
    let ground = Arc::new(Ground::migrated(Store::Postgres).await);
    let alone = || with_quota(Store::Postgres, "500/1d").on(Arc::clone(&ground)).set("REDIS_URL", "");
    let (one, two) = (alone().start().await, alone().start().await);
    let ada = one.signed_up("ada@example.com").await;
    let callers = [one.with_token(&ada.access_token), two.with_token(&ada.access_token)];
    let answers = join_all((0..200).map(|number| consume(&callers[number % 2], json!(7)))).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((taken, state(&ada.api).await), (71, (497, 0, 3)));
    assert_eq!((recorded(&one, "quota.warned").await, recorded(&two, "quota.exceeded").await), (1, 1));
}

both_stores!(
    a_new_day_begins_once,
    a_reservation_is_settled_once,
    two_hundred_consumers_get_exactly_what_there_is,
    two_hundred_who_reserve_commit_release_and_consume,
);
