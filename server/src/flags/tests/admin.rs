//! Configuring flags: shape, validation, versions, history, every instance.

use std::time::Duration;

use serde_json::{Value, json};

use super::{admin, simple, with_rules};
use crate::support::{Instance, Store, both_stores, eventually};

const FLAGS: &str = "/api/v1/admin/flags";

async fn a_flag_is_made_read_changed_and_deleted(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let path = format!("{FLAGS}/new-checkout");
    admin.api.get(&path).await.expect_problem(404, "not_found");
    let made = admin.api.put(&path, simple()).await.expect(200);
    assert_eq!((made.str("/flag/key"), &made.body["flag"]["version"], made.header("etag")), ("new-checkout", &json!(1), Some("\"1\"")));
    assert_eq!(made.body["flag"]["defaultVariant"], "off");
    assert_eq!(admin.api.get(&path).await.expect(200).body, made.body);
    let mut changed = simple();
    changed["defaultVariant"] = json!("on");
    let changed = admin.api.put(&path, changed).await.expect(200);
    assert_eq!((&changed.body["flag"]["version"], &changed.body["flag"]["createdAt"]), (&json!(2), &made.body["flag"]["createdAt"]));
    let keys =
        |body: &Value| body["items"].as_array().unwrap().iter().map(|flag| flag["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(&admin.api.get(FLAGS).await.expect(200).body), ["new-checkout", "realtime.presence"]);
    let first = admin.api.get(&format!("{FLAGS}?limit=1")).await.expect(200);
    let second = admin.api.get(&format!("{FLAGS}?limit=1&cursor={}", first.str("/nextCursor"))).await.expect(200);
    assert_eq!(
        (keys(&first.body), keys(&second.body), &second.body["nextCursor"]),
        (vec!["new-checkout".into()], vec!["realtime.presence".into()], &Value::Null)
    );
    admin.api.delete(&path).await.expect(204);
    admin.api.delete(&path).await.expect_problem(404, "not_found");
    admin.api.get(&path).await.expect_problem(404, "not_found");
    let again = admin.api.put(&path, simple()).await.expect(200);
    assert_eq!(again.body["flag"]["version"], 4, "versions go on counting");

    let history: Vec<_> = instance.events().await.into_iter().filter(|event| event.action.starts_with("flag.")).collect();
    let acts: Vec<_> = history.iter().map(|event| (event.action.as_str(), event.actor.unwrap().to_string() == admin.id())).collect();
    let (changed, deleted) = ("flag.changed", "flag.deleted");
    assert_eq!(acts, [(changed, true), (changed, true), (deleted, true), (changed, true)]);
    let details: Value = serde_json::from_str(&history[1].details).unwrap();
    assert_eq!(
        (&details["key"], &details["version"], &details["definition"]["defaultVariant"]),
        (&json!("new-checkout"), &json!(2), &json!("on"))
    );
}

/// Flags of Keystead's own are there before anybody configures them.
async fn a_declared_flag_has_its_default(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let path = format!("{FLAGS}/realtime.presence");
    let presence = keystead::flags::declared::REALTIME_PRESENCE;
    let flag = admin.api.get(&path).await.expect(200).body["flag"].clone();
    assert_eq!((&flag["declared"], &flag["version"], &flag["createdAt"]), (&json!(true), &json!(0), &Value::Null));
    assert!(instance.running.app.flags.is_on(presence));
    let mut off = simple();
    off["enabled"] = json!(false);
    admin.api.put(&path, off).await.expect(200);
    assert!(!instance.running.app.flags.is_on(presence));
    admin.api.delete(&path).await.expect(204);
    assert!(instance.running.app.flags.is_on(presence));
}

/// Of sixteen who change the version that all of them read, one does.
async fn a_version_is_changed_once(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let path = format!("{FLAGS}/x");
    admin.api.put(&path, simple()).await.expect(200);
    let api = admin.api.with("if-match", "\"1\"");
    let answers = futures_util::future::join_all((0..16).map(|_| api.put(&path, simple()))).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1);
    for refused in answers.into_iter().filter(|answer| answer.status != 200) {
        refused.expect_problem(412, "version_conflict");
    }
    api.delete(&path).await.expect_problem(412, "version_conflict");
    admin.api.with("if-match", "\"2\"").delete(&path).await.expect(204);
    admin.api.with("if-match", "\"3\"").put(&path, simple()).await.expect_problem(412, "version_conflict");
    admin.api.with("if-match", "nonsense").put(&path, simple()).await.expect_problem(400, "invalid_request");
}

async fn everything_that_is_wrong_is_named(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let wrong = json!({
        "type": "number", "enabled": true, "variants": {"one": 1, "two": "2"}, "defaultVariant": "three", "offVariant": "four",
        "rules": [
            {"variant": "one"},
            {"if": {"map": [{"var": "x"}, 1]}, "variant": "five"},
            {"if": "x", "rollout": [{"variant": "one", "percent": 60}, {"variant": "one", "percent": 40.001}]},
            {"if": {"==": [1, 1]}},
            {"rollout": [{"variant": "one", "percent": -1}]},
        ]
    });
    let refused = admin.api.put(&format!("{FLAGS}/x"), wrong).await.expect_problem(422, "validation_failed");
    let expected = [
        "variants.two:wrong_type",
        "defaultVariant:unknown_variant",
        "offVariant:unknown_variant",
        "rules.0.if:required",
        "rules.1.if:invalid_condition",
        "rules.1.variant:unknown_variant",
        "rules.2.if:invalid_condition",
        "rules.2.rollout:more_than_all",
        "rules.3:one_of",
        "rules.4.rollout.0.percent:out_of_range",
    ];
    let mut seen = refused.field_errors();
    let mut expected = expected.map(str::to_owned).to_vec();
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected, "{refused}");
    for key in ["UPPER", "a%20b", "%27", &"x".repeat(129)] {
        admin.api.put(&format!("{FLAGS}/{key}"), simple()).await.expect_problem(422, "validation_failed");
        admin.api.get(&format!("{FLAGS}/{key}")).await.expect_problem(404, "not_found");
        admin.api.delete(&format!("{FLAGS}/{key}")).await.expect_problem(404, "not_found");
    }
    let mut deep = json!({"var": "x"});
    for _ in 0..40 {
        deep = json!({"!": [deep]});
    }
    let wide = json!({"in": [{"var": "x"}, vec![0; 600]]});
    for condition in [deep, wide, json!({"==": [1, 1], "!=": [1, 2]}), json!({})] {
        let flag = with_rules(json!([{"if": condition, "variant": "on"}]));
        let refused = admin.api.put(&format!("{FLAGS}/x"), flag).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.field_errors(), ["rules.0.if:invalid_condition"]);
    }
    let mut large = simple();
    large["type"] = json!("string");
    large["variants"] = json!({"on": "x".repeat(40_000), "off": ""});
    let refused = admin.api.put(&format!("{FLAGS}/x"), large).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["variants:too_large"]);
    admin.api.put(&format!("{FLAGS}/x"), json!({"type": "text"})).await.expect_problem(400, "invalid_request");
    admin.api.get(&format!("{FLAGS}/x")).await.expect_problem(404, "not_found");
}

/// A change is seen on another instance within a second, by push; and by poll when the push is lost.
async fn every_instance_follows(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let admin = admin(&instance).await;
    let there = second.with_token(&admin.access_token);
    let seen = async |wanted: Value| {
        eventually("the change on the other instance", async || {
            let flags = there.get("/api/v1/flags").await.expect(200).body["flags"].clone();
            (flags.get("x").cloned().unwrap_or_default() == wanted).then_some(())
        })
        .await;
    };
    let path = format!("{FLAGS}/x");
    admin.api.put(&path, simple()).await.expect(200);
    seen(json!(false)).await;
    let on = with_rules(json!([{"if": {"in": ["admin", {"var": "roles"}]}, "variant": "on"}]));
    admin.api.put(&path, on).await.expect(200);
    seen(json!(true)).await;
    admin.api.delete(&path).await.expect(204);
    seen(Value::Null).await;

    // As if another instance had written and its push had been lost.
    let now = instance.advance(Duration::from_millis(5)).as_micros();
    let lost = "INSERT INTO flags (key, definition, version, created_at, updated_at) VALUES ('lost', $1, 1, $2, $2)";
    instance.change(lost, keystead::args![simple().to_string(), now]).await;
    eventually("the poll", async || {
        let flags = there.get("/api/v1/flags").await.expect(200).body["flags"].clone();
        (flags["lost"] == json!(false)).then_some(())
    })
    .await;
}

async fn flags_outlive_a_restart(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    root.api.put(&format!("{FLAGS}/x"), simple()).await.expect(200);
    let instance = instance.restart().await;
    let flags = instance.with_token(&root.access_token).get("/api/v1/flags").await.expect(200);
    assert_eq!(flags.body, json!({"flags": {"realtime.presence": true, "x": false}}));
}

both_stores!(
    a_flag_is_made_read_changed_and_deleted,
    a_declared_flag_has_its_default,
    a_version_is_changed_once,
    everything_that_is_wrong_is_named,
    every_instance_follows,
    flags_outlive_a_restart
);
