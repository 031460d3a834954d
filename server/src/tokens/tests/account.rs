//! `/api/v1/account/tokens`.

use std::time::Duration;

use keystead::tokens::{LIFETIME, LIFETIME_MAX, TOKENS_MAX};
use serde_json::{Value, json};

use super::{ACCOUNT, TOKENS, root, token, wanted};
use crate::support::{Instance, Store, both_stores};

async fn a_token_is_made_listed_used_and_revoked(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    assert_eq!(ada.api.get(TOKENS).await.expect(200).body, json!({"items": [], "nextCursor": null}));
    let made = ada.api.post(TOKENS, json!({"name": " backup  ", "scopes": ["flags:evaluate", "account:read"]})).await.expect(201);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let secret = made.str("/secret");
    assert!(secret.starts_with("ksp_") && secret.len() == 58, "{secret}");
    let view = made.body["token"].clone();
    assert_eq!((&view["name"], &view["scopes"]), (&json!("backup"), &json!(["account:read", "flags:evaluate"])));
    assert_eq!(view["lastUsedAt"], Value::Null);
    assert_eq!(ada.api.get(TOKENS).await.expect(200).body["items"], json!([view]));

    let api = instance.with_token(secret);
    assert_eq!(api.get(ACCOUNT).await.expect(200).body["user"]["id"], ada.id());
    api.get("/api/v1/flags").await.expect(200);
    api.post("/ofrep/v1/evaluate/flags", json!({})).await.expect(200);

    let letter = instance.mail_to("ada@example.com").await;
    assert!(letter.text.contains("backup") && letter.text.contains("account:read"), "{}", letter.text);
    assert!(!letter.text.contains("ksp_"));

    let path = format!("{TOKENS}/{}", view["id"].as_str().unwrap());
    ada.api.delete(&path).await.expect(204);
    api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    ada.api.delete(&path).await.expect_problem(404, "not_found");
    assert_eq!(ada.api.get(TOKENS).await.expect(200).body["items"], json!([]));

    let acts: Vec<_> = instance.events().await.into_iter().filter(|event| event.action.starts_with("personal_token")).collect();
    let actions: Vec<_> = acts.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["personal_token.created", "personal_token.revoked"]);
    for act in acts {
        assert_eq!(act.actor.map(|id| id.to_string()).as_deref(), Some(ada.id()));
        assert_eq!(act.target.map(|id| id.to_string()).as_deref(), view["id"].as_str());
        assert!(!act.details.contains("backup") && !act.details.contains(secret));
    }
}

async fn what_is_wrong_is_named(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let wrong = json!({"name": " ", "scopes": ["users:read", "account:read", "account:read", "nonsense", "openid", ""], "expiresIn": 59});
    let refused = ada.api.post(TOKENS, wrong).await.expect_problem(422, "validation_failed");
    let mut faults = refused.field_errors();
    faults.sort();
    let expected = [
        "expiresIn:out_of_range",
        "name:required",
        "scopes.0:not_granted",
        "scopes.2:duplicate",
        "scopes.3:not_granted",
        "scopes.4:not_granted",
        "scopes.5:not_granted",
    ];
    assert_eq!(faults, expected, "{refused}");
    let long = json!({"name": "x", "scopes": ["account:read"], "expiresIn": LIFETIME_MAX.as_secs() + 1});
    ada.api.post(TOKENS, long).await.expect_problem(422, "validation_failed");
    ada.api.post(TOKENS, json!({"name": "x", "scopes": []})).await.expect_problem(422, "validation_failed");
    ada.api.post(TOKENS, json!({"name": "x"})).await.expect_problem(400, "invalid_request");
    ada.api.post(TOKENS, json!({"name": "x", "scopes": ["account:read"], "userId": ada.id()})).await.expect_problem(400, "invalid_request");
    // Not even an administrator has a scope that there is not.
    let root = root(&instance).await;
    root.api.post(TOKENS, wanted(&["nonsense"])).await.expect_problem(422, "validation_failed");
    assert_eq!(instance.count("SELECT count(*) FROM personal_tokens", vec![]).await, 0);
}

async fn a_token_ends_by_itself_and_is_forgotten(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let short = ada.api.post(TOKENS, json!({"name": "x", "scopes": ["account:read"], "expiresIn": 60})).await.expect(201);
    let short = instance.with_token(short.str("/secret"));
    let long = token(&instance, &ada, &["account:read"]).await;
    short.get(ACCOUNT).await.expect(200);
    instance.advance(Duration::from_secs(60));
    short.get(ACCOUNT).await.expect_problem(401, "token_expired");
    long.api.get(ACCOUNT).await.expect(200);
    assert_eq!(ada.api.get(TOKENS).await.expect(200).body["items"].as_array().unwrap().len(), 2);
    let now = instance.advance(LIFETIME);
    long.api.get(ACCOUNT).await.expect_problem(401, "token_expired");
    instance.running.app.housekeep(now).await;
    // The first ended 90 days ago, the second a minute ago.
    assert_eq!(instance.count("SELECT count(*) FROM personal_tokens", vec![]).await, 1);
}

async fn the_last_use_is_written_down_in_batches(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = token(&instance, &ada, &["account:read"]).await;
    let seen = async || {
        instance.running.app.tokens.flush().await.unwrap();
        ada.api.get(TOKENS).await.expect(200).body["items"][0]["lastUsedAt"].clone()
    };
    assert_eq!(seen().await, Value::Null);
    made.api.get(ACCOUNT).await.expect(200);
    let first = seen().await;
    assert!(first.is_string());
    // Within half a minute a use costs nothing at all.
    instance.advance(Duration::from_secs(10));
    made.api.get(ACCOUNT).await.expect(200);
    assert_eq!(seen().await, first);
    instance.advance(Duration::from_secs(30));
    made.api.get(ACCOUNT).await.expect(200);
    assert_ne!(seen().await, first);
}

/// Sixteen at once make the last tokens that there is room for, and no more.
async fn a_person_has_so_many_and_no_more(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for _ in 0..TOKENS_MAX - 3 {
        token(&instance, &ada, &["account:read"]).await;
    }
    let answers = futures_util::future::join_all((0..16).map(|_| ada.api.post(TOKENS, wanted(&["account:read"])))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 3);
    for refused in answers.into_iter().filter(|answer| answer.status != 201) {
        refused.expect_problem(409, "conflict");
    }
    // Those that ended do not count.
    instance.advance(LIFETIME);
    let ada = instance.signed_in("ada@example.com").await;
    token(&instance, &ada, &["account:read"]).await;
}

async fn a_repeated_request_makes_one(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "once");
    let first = api.post(TOKENS, wanted(&["account:read"])).await.expect(201);
    let again = api.post(TOKENS, wanted(&["account:read"])).await.expect(201);
    assert_eq!(first.body, again.body);
    api.post(TOKENS, wanted(&["flags:evaluate"])).await.expect_problem(422, "idempotency_key_reused");
    assert_eq!(instance.count("SELECT count(*) FROM personal_tokens", vec![]).await, 1);
}

async fn tokens_are_paged(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        instance.advance(Duration::from_millis(2));
        made.push(token(&instance, &ada, &["account:read"]).await.id);
    }
    let first = ada.api.get(&format!("{TOKENS}?limit=3")).await.expect(200);
    let next = first.body["nextCursor"].as_str().unwrap();
    let second = ada.api.get(&format!("{TOKENS}?limit=3&cursor={next}")).await.expect(200);
    let items = [&first, &second].into_iter().flat_map(|page| page.body["items"].as_array().unwrap());
    let listed: Vec<_> = items.map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    made.reverse();
    assert_eq!(listed, made);
    assert_eq!(second.body["nextCursor"], Value::Null);
}

both_stores!(
    a_person_has_so_many_and_no_more,
    a_repeated_request_makes_one,
    a_token_ends_by_itself_and_is_forgotten,
    a_token_is_made_listed_used_and_revoked,
    the_last_use_is_written_down_in_batches,
    tokens_are_paged,
    what_is_wrong_is_named
);
