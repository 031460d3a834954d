//! Who is kept out, and what is not taken.

use http::Method;
use keystead::args;
use serde_json::{Value, json};

use super::{Talk, numbers, partial, said};
use crate::support::{Instance, Store, both_stores};

async fn somebody_elses_transcript_is_not_there(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [1]).await;
    for path in [talk.path.clone(), talk.stream(), format!("{}x", talk.path).replace(&talk.id.to_string(), "nothing")] {
        eve.api.get(&path).await.expect_problem(404, "not_found");
    }
    // Before anything of the body is looked at.
    for body in [json!({"segments": [said(2, "2")]}), json!({}), json!(null)] {
        eve.api.post(&talk.path, body).await.expect_problem(404, "not_found");
    }
    eve.api.post("/api/v1/voice/sessions/x/transcript", json!({})).await.expect_problem(404, "not_found");
    instance.get(&talk.stream()).await.expect_problem(401, "unauthenticated");
    assert_eq!(talk.read(&ada.api).await, numbers([1]));
}

async fn tokens_need_the_scope(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let token = async |scope: &str| {
        let made = ada.api.post("/api/v1/account/tokens", json!({"name": "x", "scopes": [scope]})).await.expect(201);
        instance.with_token(made.str("/secret"))
    };
    let (reads, writes) = (token("transcripts:read").await, token("transcripts:write").await);
    talk.say(&writes, [1]).await;
    assert_eq!(talk.read(&reads).await, numbers([1]));
    assert_eq!(reads.listen(&talk.stream()).await.segments(1).await, numbers([1]));
    talk.post(&reads, json!([said(2, "2")])).await.expect_problem(403, "insufficient_scope");
    writes.get(&talk.path).await.expect_problem(403, "insufficient_scope");
    writes.get(&talk.stream()).await.expect_problem(403, "insufficient_scope");
}

async fn whoever_acts_as_somebody_neither_hears_nor_speaks_for_them(store: Store) {
    let instance = Instance::start(store).await;
    let root = instance.signed_up("root@example.com").await;
    instance.set_roles(&root, "admin").await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [1]).await;
    let path = format!("/api/v1/admin/users/{}/impersonate", ada.id());
    let acting = root.api.post(&path, json!({"reason": "a ticket"})).await;
    let api = instance.with_token(acting.str("/accessToken"));
    talk.post(&api, json!([said(2, "2")])).await.expect_problem(403, "forbidden");
    for path in [talk.path.clone(), talk.stream()] {
        api.get(&path).await.expect_problem(403, "insufficient_scope");
    }
    api.post(&format!("{}/ticket", talk.path), json!({})).await.expect_problem(403, "insufficient_scope");
}

async fn every_fault_is_named(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let long = "ä".repeat(4001);
    let faulty = json!([
        {"seq": -1, "speaker": "", "text": long, "startMs": -1, "endMs": -2, "final": true},
        {"seq": 9_007_199_254_740_992_i64, "speaker": "x".repeat(101), "text": "a\u{0}b", "startMs": 0, "endMs": 86_400_001, "final": false},
        said(3, "good"),
    ]);
    let answer = talk.post(&ada.api, faulty).await.expect_problem(422, "validation_failed");
    assert_eq!(
        answer.field_errors(),
        [
            "segments.0.endMs:before_start",
            "segments.0.endMs:out_of_range",
            "segments.0.seq:out_of_range",
            "segments.0.speaker:required",
            "segments.0.startMs:out_of_range",
            "segments.0.text:too_long",
            "segments.1.endMs:out_of_range",
            "segments.1.seq:out_of_range",
            "segments.1.speaker:too_long",
            "segments.1.text:invalid",
        ]
    );
    assert_eq!(talk.post(&ada.api, json!([])).await.expect(422).field_errors(), ["segments:required"]);
    let many: Vec<Value> = (0..101).map(|seq| said(seq, "x")).collect();
    assert_eq!(talk.post(&ada.api, many.into()).await.expect(422).field_errors(), ["segments:too_many"]);
    assert_eq!(talk.read(&ada.api).await, []);
}

async fn hostile_bodies_are_refused(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let with = |member: &str, value: Value| {
        let mut segment = said(1, "x");
        segment[member] = value;
        json!({"segments": [segment]})
    };
    for body in [
        with("seq", json!(1.5)),
        with("seq", json!("1")),
        with("seq", json!(1e300)),
        with("final", json!("yes")),
        with("final", json!(null)),
        with("text", json!(["x"])),
        with("unknown", json!(1)),
        json!({"segments": {}}),
        json!({"segments": [said(1, "x")], "more": 1}),
        json!([said(1, "x")]),
        json!({}),
    ] {
        ada.api.post(&talk.path, body).await.expect_problem(400, "invalid_request");
    }
    for bytes in [&b"{\"segments\": [{\"text\": \"\xff\"}]}"[..], b"{\"segments\": [{\"text\": \"\\ud800\"}]}", b"", b"{"] {
        ada.api.send_bytes(Method::POST, &talk.path, "application/json", bytes.to_vec()).await.expect_problem(400, "invalid_request");
    }
    let nested = [vec![b'['; 5_000], vec![b']'; 5_000]].concat();
    ada.api.send_bytes(Method::POST, &talk.path, "application/json", nested).await.expect_problem(400, "invalid_request");
    ada.api.send_bytes(Method::POST, &talk.path, "text/plain", b"x".to_vec()).await.expect_problem(415, "unsupported_media_type");
    let large = vec![b' '; 2 * 1024 * 1024];
    ada.api.send_bytes(Method::POST, &talk.path, "application/json", large).await.expect_problem(413, "payload_too_large");
    for query in ["limit=0", "limit=201", "cursor=x", "final=maybe", "unknown=1"] {
        ada.api.get(&format!("{}?{query}", talk.path)).await.expect_problem(400, "invalid_request");
    }
    for query in ["after=-1", "after=x", "unknown=1"] {
        ada.api.get(&format!("{}?{query}", talk.stream())).await.expect_problem(400, "invalid_request");
    }
    for id in ["x", "-1", "1 2", "99999999999999999999"] {
        ada.api.with("last-event-id", id).get(&talk.stream()).await.expect_problem(400, "invalid_request");
    }
    // What looks like the stream's own lines is text.
    let text = "one\r\ndata: {}\n\nevent: end\nid: 9\n\n: \u{2028}\u{202e}'\"<script>";
    talk.post(&ada.api, json!([partial(1, text)])).await.expect(202);
    let mut events = ada.api.listen(&talk.stream()).await;
    assert_eq!(events.segments(1).await, [(1, text.to_owned())]);
    assert_eq!(events.last_id, "1");
    assert_eq!(talk.read(&ada.api).await, [(1, text.to_owned())]);
}

async fn posting_has_a_limit_of_its_own(store: Store) {
    let builder = Instance::builder(store).set("KEYSTEAD_LIMITS__TRANSCRIPT", "3/600s").set("TRUSTED_PROXIES", "127.0.0.1/32");
    let instance = builder.start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let here = ada.api.at_address("203.0.113.7");
    for seq in 0..3 {
        let answer = talk.post(&here, json!([said(seq, "x")])).await.expect(202);
        assert!(answer.header("ratelimit-policy").is_some_and(|policy| policy.contains("\"transcript\";q=3;w=600")), "{answer}");
    }
    let answer = talk.post(&here, json!([said(3, "x")])).await.expect_problem(429, "rate_limited");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    here.get(&talk.path).await.expect(200);
    talk.post(&ada.api.at_address("203.0.113.8"), json!([said(3, "x")])).await.expect(202);
}

async fn nobody_has_more_streams_than_they_may(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_TRANSCRIPTS__LISTENERS", 2).start().await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    let (talk, other) = (Talk::begin(&instance, &ada).await, Talk::begin(&instance, &eve).await);
    let first = ada.api.listen(&talk.stream()).await;
    let _second = ada.api.listen(&talk.stream()).await;
    ada.api.get(&talk.stream()).await.expect_problem(429, "rate_limited");
    let _eve = eve.api.listen(&other.stream()).await;
    drop(first);
    crate::support::eventually("a place", async || (ada.api.probe(&talk.stream()).await == Some(200)).then_some(())).await;
}

async fn what_ended_long_ago_is_deleted(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_RETENTION__TRANSCRIPTS", 30).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (old, young) = (Talk::begin(&instance, &ada).await, Talk::begin(&instance, &ada).await);
    for first in (0..1_100).step_by(100) {
        old.say(&ada.api, first..first + 100).await;
    }
    young.say(&ada.api, [1]).await;
    old.end(&instance).await;
    let day = 24 * 60 * 60;
    let later = instance.clock.now().plus(std::time::Duration::from_secs(31 * day));
    instance.change("UPDATE voice_sessions SET ends_at = $2 WHERE id = $1", args![young.id, later]).await;
    instance.advance(std::time::Duration::from_secs(31 * day));
    let app = &instance.running.app;
    app.housekeep(app.ground.clock.now()).await;
    assert_eq!(instance.count("SELECT count(*) FROM transcript_segments", vec![]).await, 1);
    assert_eq!(instance.count("SELECT count(*) FROM transcripts", vec![]).await, 1);
}

both_stores!(
    every_fault_is_named,
    hostile_bodies_are_refused,
    nobody_has_more_streams_than_they_may,
    posting_has_a_limit_of_its_own,
    somebody_elses_transcript_is_not_there,
    tokens_need_the_scope,
    what_ended_long_ago_is_deleted,
    whoever_acts_as_somebody_neither_hears_nor_speaks_for_them
);
