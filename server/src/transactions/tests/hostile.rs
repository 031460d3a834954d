//! What is typed wrong, or on purpose.

use serde_json::{Value, json};

use super::{TRANSACTIONS, made, spent};
use crate::support::{Instance, Store, both_stores};

fn with(member: &str, value: Value) -> Value {
    let mut body = spent("12.34", "Bread", None, "2026-05-01T00:00:00Z");
    body[member] = value;
    body
}

/// `levels` objects in each other.
fn deep(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({"a": inner}))
}

async fn each_member_is_refused_by_name(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for (member, value, fault) in [
        ("amount", json!("12.345"), "amount:too_precise"),
        ("amount", json!("0"), "amount:not_positive"),
        ("amount", json!("-5"), "amount:not_positive"),
        ("amount", json!("1e3"), "amount:invalid_amount"),
        ("amount", json!("NaN"), "amount:invalid_amount"),
        ("amount", json!("1000000000000"), "amount:too_large"),
        ("amount", json!("9".repeat(30_000)), "amount:too_large"),
        ("currency", json!("EURO"), "currency:unknown_currency"),
        ("currency", json!("eur"), "currency:unknown_currency"),
        ("currency", json!("XAU"), "currency:unknown_currency"),
        ("kind", json!("gift"), "kind:unknown"),
        ("description", json!(""), "description:required"),
        ("description", json!(" \u{a0} "), "description:required"),
        ("description", json!("x".repeat(501)), "description:too_long"),
        ("description", json!("a\u{0}b"), "description:invalid_characters"),
        ("description", json!("a\nb"), "description:invalid_characters"),
        ("category", json!("x".repeat(65)), "category:too_long"),
        ("category", json!("a\tb"), "category:invalid_characters"),
        ("occurredAt", json!("2026-05-01"), "occurredAt:invalid_time"),
        ("occurredAt", json!("yesterday"), "occurredAt:invalid_time"),
        ("occurredAt", json!("2026-02-30T00:00:00Z"), "occurredAt:invalid_time"),
        ("occurredAt", json!("1899-12-31T23:59:59Z"), "occurredAt:out_of_range"),
        ("occurredAt", json!("2200-01-01T00:00:00Z"), "occurredAt:out_of_range"),
        ("metadata", json!({"a": "x".repeat(4096)}), "metadata:too_long"),
        ("metadata", deep(9), "metadata:too_deep"),
    ] {
        let answer = ada.api.post(TRANSACTIONS, with(member, value.clone())).await.expect_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [fault], "{member} {value:.60}");
    }
    let all = json!({"amount": "x", "currency": "EUR", "kind": "x", "description": "", "occurredAt": "x"});
    let answer = ada.api.post(TRANSACTIONS, all).await.expect_problem(422, "validation_failed");
    assert_eq!(answer.field_errors(), ["amount:invalid_amount", "description:required", "kind:unknown", "occurredAt:invalid_time"]);
    assert_eq!(ada.api.get(TRANSACTIONS).await.expect(200).body, json!({"items": [], "nextCursor": null}));
}

async fn what_is_of_the_wrong_form_is_unreadable(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for (member, value) in [
        ("amount", json!(12.34)),
        ("amount", json!(12)),
        ("amount", Value::Null),
        ("amount", json!(["1"])),
        ("currency", json!(978)),
        ("metadata", json!([1])),
        ("metadata", json!("x")),
        ("id", json!("x")),
        ("version", json!(3)),
        ("ownerId", json!("x")),
        ("deletedAt", Value::Null),
    ] {
        ada.api.post(TRANSACTIONS, with(member, value)).await.expect_problem(400, "invalid_request");
    }
    for body in ["", "[]", "null", "{", "{\"amount\":\"1\",\"amount\":\"2\"}", "\"x\""] {
        let answer = ada.api.send_bytes(http::Method::POST, TRANSACTIONS, "application/json", body.into()).await;
        answer.expect_problem(400, "invalid_request");
    }
}

async fn what_just_fits_comes_back_unchanged(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for (member, value) in [
        ("description", json!("😀".repeat(500))),
        ("description", json!("'; DROP TABLE transactions; --")),
        ("description", json!("=HYPERLINK(\"http://example.com\")")),
        ("description", json!("{{7*7}} ${x} %s \\")),
        ("category", json!("x".repeat(64))),
        ("occurredAt", json!("1900-01-01T00:00:00Z")),
        ("occurredAt", json!("2199-12-31T23:59:59.999999Z")),
        ("metadata", deep(8)),
        ("metadata", json!({"a": "x".repeat(4088)})),
        ("metadata", json!({"": "\u{0}\u{1f}", "n": -0.5, "big": u64::MAX})),
    ] {
        let answer = ada.api.post(TRANSACTIONS, with(member, value.clone())).await.expect(201);
        assert_eq!(answer.body["transaction"][member], value);
    }
    let id = made(&ada.api, with("category", json!("  "))).await;
    assert_eq!(ada.api.get(&super::at(&id)).await.expect(200).body["transaction"]["category"], Value::Null);
}

both_stores!(each_member_is_refused_by_name, what_is_of_the_wrong_form_is_unreadable, what_just_fits_comes_back_unchanged);
