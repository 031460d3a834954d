//! The OpenFeature Remote Evaluation Protocol, as its description says it.

use http::Method;
use serde_json::{Value, json};

use super::{admin, simple, with_rules};
use crate::oauth::service;
use crate::support::{Instance, Store, both_stores};

const EVALUATE: &str = "/ofrep/v1/evaluate/flags";

async fn one_flag_is_evaluated(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let rules = json!([{"if": {"==": [{"var": "plan"}, "pro"]}, "variant": "on"}, {"rollout": [{"variant": "off", "percent": 100}]}]);
    admin.api.put("/api/v1/admin/flags/x", with_rules(rules)).await.expect(200);
    let evaluate = async |context: Value| admin.api.post(&format!("{EVALUATE}/x"), json!({ "context": context })).await;
    let pro = evaluate(json!({"targetingKey": "u", "plan": "pro"})).await.expect(200);
    assert_eq!(pro.body, json!({"key": "x", "reason": "TARGETING_MATCH", "variant": "on", "value": true}));
    let other = evaluate(json!({"targetingKey": "u"})).await.expect(200);
    assert_eq!(other.body, json!({"key": "x", "reason": "SPLIT", "variant": "off", "value": false}));
    let refused = |answer: &crate::support::Answer| (answer.status, answer.str("/errorCode").to_owned(), answer.body["key"].clone());
    assert_eq!(refused(&evaluate(json!({})).await), (400, "TARGETING_KEY_MISSING".into(), json!("x")));
    assert_eq!(refused(&evaluate(json!([1])).await), (400, "INVALID_CONTEXT".into(), json!("x")));
    assert_eq!(refused(&evaluate(json!({"targetingKey": 7})).await), (400, "INVALID_CONTEXT".into(), json!("x")));
    let none = admin.api.post(&format!("{EVALUATE}/nothing"), json!({})).await;
    assert_eq!(refused(&none), (404, "FLAG_NOT_FOUND".into(), json!("nothing")));
    let broken = admin.api.send_bytes(Method::POST, &format!("{EVALUATE}/x"), "application/json", b"{".to_vec()).await;
    assert_eq!(refused(&broken), (400, "PARSE_ERROR".into(), json!("x")));
    let surplus = admin.api.post(&format!("{EVALUATE}/x"), json!({"surplus": 1})).await;
    assert_eq!((refused(&surplus).1.as_str(), surplus.str("/errorDetails").contains("surplus")), ("PARSE_ERROR", true));
    instance.post(&format!("{EVALUATE}/x"), json!({})).await.expect_problem(401, "unauthenticated");
}

async fn all_flags_are_evaluated_and_cached(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    admin.api.put("/api/v1/admin/flags/a", simple()).await.expect(200);
    admin.api.put("/api/v1/admin/flags/b", with_rules(json!([{"rollout": [{"variant": "on", "percent": 10}]}]))).await.expect(200);
    let known = json!({"context": {"targetingKey": "user-1"}});
    let all = admin.api.post(EVALUATE, known.clone()).await.expect(200);
    let keys: Vec<_> = all.body["flags"].as_array().unwrap().iter().map(|flag| flag["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["a", "b", "realtime.presence"]);
    let tag = all.header("etag").unwrap().to_owned();
    let cached = admin.api.with("if-none-match", &tag);
    let unchanged = cached.post(EVALUATE, known.clone()).await.expect(304);
    assert_eq!((unchanged.text.as_str(), unchanged.header("etag")), ("", Some(tag.as_str())));
    assert_eq!(admin.api.with("if-none-match", &format!("\"x\", W/{tag}")).post(EVALUATE, known.clone()).await.status, 304);
    let anonymous = cached.post(EVALUATE, json!({})).await.expect(200);
    let failed = anonymous.body["flags"].as_array().unwrap().iter().find(|flag| flag["key"] == "b").unwrap().clone();
    assert_eq!(failed["errorCode"], "TARGETING_KEY_MISSING");
    let mut on = simple();
    on["defaultVariant"] = json!("on");
    admin.api.put("/api/v1/admin/flags/a", on).await.expect(200);
    let changed = cached.post(EVALUATE, known).await.expect(200);
    assert_eq!(changed.body["flags"][0], json!({"key": "a", "reason": "STATIC", "variant": "on", "value": true}));
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
}

/// A person's program cannot ask as somebody else; a server that may read flags can.
async fn people_are_evaluated_as_themselves(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let rules = json!([
        {"if": {"and": [{"in": ["admin", {"var": "roles"}]}, {"==": [{"var": "userId"}, admin.id()]}]}, "variant": "on"},
        {"if": {"and": [{"==": [{"var": "plan"}, "pro"]}, {"==": [{"var": "targetingKey"}, ada.id()]}]}, "variant": "on"},
    ]);
    admin.api.put("/api/v1/admin/flags/x", with_rules(rules)).await.expect(200);
    let pretending = json!({"context": {"targetingKey": admin.id(), "userId": admin.id(), "roles": ["admin"]}});
    assert_eq!(ada.api.post(&format!("{EVALUATE}/x"), pretending.clone()).await.expect(200).body["value"], false);
    assert_eq!(admin.api.post(&format!("{EVALUATE}/x"), pretending).await.expect(200).body["value"], true);
    let own = json!({"context": {"plan": "pro"}});
    assert_eq!(ada.api.post(&format!("{EVALUATE}/x"), own).await.expect(200).body["value"], true, "other attributes count");
    assert_eq!(ada.api.get("/api/v1/flags").await.expect(200).body["flags"]["x"], false);
    for path in ["/api/v1/admin/flags", "/api/v1/admin/flags/x"] {
        ada.api.get(path).await.expect_problem(403, "insufficient_scope");
    }
}

/// A server asks for the people it serves, with a token of its own and the scope to read flags.
async fn services_evaluate_for_anybody(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let rules = json!([{"if": {"==": [{"var": "targetingKey"}, "user-7"]}, "variant": "on"}]);
    admin.api.put("/api/v1/admin/flags/x", with_rules(rules)).await.expect(200);
    let server = service(&admin.api, &["flags:read"]).await.token(&instance).await;
    let asked = json!({"context": {"targetingKey": "user-7"}});
    let answer = instance.with_token(&server).post(&format!("{EVALUATE}/x"), asked.clone()).await.expect(200);
    assert_eq!(answer.body["value"], true);
    let other = service(&admin.api, &["audit:read"]).await.token(&instance).await;
    instance.with_token(&other).post(&format!("{EVALUATE}/x"), asked).await.expect_problem(403, "insufficient_scope");
}

both_stores!(services_evaluate_for_anybody, one_flag_is_evaluated, all_flags_are_evaluated_and_cached, people_are_evaluated_as_themselves);
