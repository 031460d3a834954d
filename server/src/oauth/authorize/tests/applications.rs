//! What a person let in, they can show the door.

use serde_json::json;

use super::super::expect_refusal;
use super::{APPLICATIONS, changed, code, exchange, expect_event, location, open, refresh, shop, shop_with, told};
use crate::support::{Answer, Instance, Store, both_stores};

async fn a_person_takes_it_back(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let tokens = exchange(&instance, &shop, &code(&instance, &ada, &shop).await).await.expect(200);
    let waiting = code(&instance, &ada, &shop).await;
    let listed = ada.api.get(APPLICATIONS).await.expect(200);
    let found = &listed.body["items"][0];
    assert_eq!((&found["name"], &found["scopes"]), (&json!("Shop"), &json!(["openid", "email"])));

    let path = format!("{APPLICATIONS}/{}", shop.id);
    let grace = instance.signed_up("grace@example.com").await;
    grace.api.delete(&path).await.expect_problem(404, "not_found");
    ada.api.delete(&path).await.expect(204);
    ada.api.delete(&path).await.expect_problem(404, "not_found");
    expect_event(&instance, "authorization.withdrawn").await;

    assert_eq!(ada.api.get(APPLICATIONS).await.expect(200).body["items"], json!([]));
    expect_refusal(&refresh(&instance, &shop, tokens.str("/refresh_token")).await, 400, "invalid_grant");
    expect_refusal(&exchange(&instance, &shop, &waiting).await, 400, "invalid_grant");
    assert_eq!(told(&location(&open(&ada.api, &changed(&shop.id, &[("prompt", "none")])).await)), "consent_required");
}

async fn applications_come_in_pages(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for name in ["One", "Two", "Three"] {
        let client = shop_with(&instance, json!({ "name": name })).await;
        code(&instance, &ada, &client).await;
    }
    let first = ada.api.get(&format!("{APPLICATIONS}?limit=2")).await.expect(200);
    let cursor = first.str("/nextCursor");
    let last = ada.api.get(&format!("{APPLICATIONS}?limit=2&cursor={cursor}")).await.expect(200);
    let names = |answer: &Answer| answer.body["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!((names(&first), names(&last)), (vec![json!("Three"), json!("Two")], vec![json!("One")]));
}

both_stores!(a_person_takes_it_back, applications_come_in_pages);
