//! A service that transcribes: it writes where it was let in, and nowhere else.

use keystead::args;
use serde_json::json;
use uuid::Uuid;

use super::{Talk, numbers, said};
use crate::oauth::{admin, service};
use crate::support::{Instance, Store, both_stores};

/// As if the service `client` had redeemed a join token of the session.
async fn let_in(instance: &Instance, talk: &Talk, client: &str) {
    let now = instance.clock.now();
    let (id, client): (Uuid, Uuid) = (instance.running.app.ground.random.uuid(now), client.parse().unwrap());
    let sql = "INSERT INTO voice_tokens (id, voice_session_id, owner_id, created_at, expires_at, redeemed_at, redeemed_by)
        SELECT $1, id, owner_id, $3, $3, $3, $4 FROM voice_sessions WHERE id = $2";
    assert_eq!(instance.change(sql, args![id, talk.id, now, client]).await, 1);
}

async fn a_service_writes_where_it_was_let_in(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (talk, other) = (Talk::begin(&instance, &ada).await, Talk::begin(&instance, &ada).await);
    let worker = service(&root.api, &["transcripts:relay"]).await;
    let api = instance.with_token(&worker.token(&instance).await);
    talk.post(&api, json!([said(1, "1")])).await.expect_problem(404, "not_found");
    let_in(&instance, &talk, &worker.id).await;
    talk.say(&api, [1]).await;
    // Whoever talks to the service names another session: there it is nobody.
    other.post(&api, json!([said(1, "1")])).await.expect_problem(404, "not_found");
    // It reads nothing, not even what it wrote.
    api.get(&talk.path).await.expect_problem(403, "forbidden");
    api.get(&talk.stream()).await.expect_problem(403, "forbidden");
    assert_eq!(talk.read(&ada.api).await, numbers([1]));
    let another = service(&root.api, &["transcripts:relay"]).await;
    talk.post(&instance.with_token(&another.token(&instance).await), json!([said(2, "2")])).await.expect_problem(404, "not_found");
    let lesser = service(&root.api, &["audit:read"]).await;
    let_in(&instance, &talk, &lesser.id).await;
    let refused = talk.post(&instance.with_token(&lesser.token(&instance).await), json!([said(2, "2")])).await;
    refused.expect_problem(403, "insufficient_scope");
}

both_stores!(a_service_writes_where_it_was_let_in);
