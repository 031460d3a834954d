//! What the sessions slice promises, over HTTP on both stores.

use serde_json::json;

use crate::support::{Instance, Store, both_stores};

/// T3: one token presented a hundred times at once has one successor, and nobody is signed out.
async fn a_hundred_refreshes_share_one_successor(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let refreshes = (0..100).map(|_| instance.post("/api/v1/auth/refresh", json!({ "refreshToken": ada.refresh_token })));
    let mut successors: Vec<String> = Vec::new();
    for answer in futures_util::future::join_all(refreshes).await {
        successors.push(answer.expect(200).str("/refreshToken").to_owned());
    }
    successors.dedup();
    assert_eq!(successors.len(), 1);
    instance.post("/api/v1/auth/refresh", json!({ "refreshToken": successors[0] })).await.expect(200);
}

both_stores!(a_hundred_refreshes_share_one_successor);
