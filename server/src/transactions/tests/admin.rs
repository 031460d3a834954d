//! Others look with a reason, and on record.

use serde_json::json;

use super::{each, made, spent};
use crate::support::{Instance, Store, both_stores};

const MAY: &str = "2026-05-04T10:00:00Z";

async fn a_look_is_on_record_with_its_reason(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (instance.signed_up("root@example.com").await, instance.signed_up("ada@example.com").await);
    instance.set_roles(&root, "auditor").await;
    let id = made(&ada.api, spent("12.34", "Bread", Some("Food"), MAY)).await;
    let path = format!("/api/v1/admin/users/{}/transactions", ada.id());
    let looked = root.api.get(&format!("{path}?reason=Ticket%204711&category=food&query=bread")).await.expect(200);
    assert_eq!((each(&looked, "id"), each(&looked, "description")), (vec![id.as_str()], vec!["Bread"]));
    let events = instance.events().await;
    let look = events.iter().filter(|event| event.action == "transactions.read").collect::<Vec<_>>();
    let [look] = look[..] else { panic!("one look, not {look:?}") };
    assert_eq!((look.actor, look.target), (root.id().parse().ok(), ada.id().parse().ok()));
    assert!(!look.details.contains("4711"));
    let trail = root.api.get("/api/v1/admin/audit?action=transactions.read").await.expect(200);
    assert_eq!(trail.str("/items/0/reason"), "Ticket 4711");
}

async fn without_a_reason_or_the_scope_there_is_no_look(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (instance.signed_up("root@example.com").await, instance.signed_up("ada@example.com").await);
    instance.set_roles(&root, "admin").await;
    let path = format!("/api/v1/admin/users/{}/transactions", ada.id());
    for reason in ["", "?reason=", "?reason=%20", "?reason=a%00b"] {
        let answer = root.api.get(&format!("{path}{reason}")).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.body["errors"][0]["field"], "reason");
    }
    root.api.get(&format!("{path}?reason={}", "x".repeat(501))).await.expect_problem(400, "invalid_request");
    root.api.get("/api/v1/admin/users/01920000-0000-7000-8000-000000000000/transactions?reason=x").await.expect_problem(404, "not_found");
    ada.api.get(&format!("{path}?reason=mine")).await.expect_problem(403, "insufficient_scope");
    // A cursor of one's own list is none here, and the other way round it is the same list.
    let cursor = root.api.get(&format!("{path}?reason=x&cursor=x")).await.expect_problem(400, "invalid_request");
    assert_eq!(cursor.field_errors(), ["cursor:invalid"]);
    assert!(instance.events().await.iter().all(|event| event.action != "transactions.read"));
    ada.api
        .post("/api/v1/account/tokens", json!({"name": "x", "scopes": ["transactions:read"]}))
        .await
        .expect_problem(422, "validation_failed");
}

both_stores!(a_look_is_on_record_with_its_reason, without_a_reason_or_the_scope_there_is_no_look);
