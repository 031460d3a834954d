//! How much one person takes: rows, bytes, desks, places.

use keystead::exports::{LISTENERS_MAX, STREAMED_ROWS_MAX};
use serde_json::{Value, json};

use super::{EXPORTS, STREAM, auditor, fetched, large_acts, old_orders, ordered, url};
use crate::support::{Answer, Instance, SignedIn, Store, both_stores, eventually};

/// A PDF is made before its answer begins, so what there is too much of is refused.
async fn pdfs_wait_for_nobody(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__API_USER", "1000/1m").start().await;
    let mut people = Vec::new();
    for number in 0..6 {
        let person = instance.signed_up(&format!("person{number}@example.com")).await;
        old_orders(&instance, &person, 40).await;
        people.push(person);
    }
    let order = || json!({"kind": "account", "format": "pdf"});
    // Six people: two desks.
    let answers = futures_util::future::join_all(people.iter().map(|person| asked(person, order()))).await;
    assert!(answers.iter().filter(|answer| answer.0 == 200).count() >= 2, "{answers:?}");
    let refused: Vec<_> = answers.iter().filter(|answer| answer.0 != 200).collect();
    assert!(!refused.is_empty(), "nobody had to come again");
    for (status, code, retry) in refused {
        assert_eq!((*status, code.as_str(), *retry), (503, "overloaded", true));
    }
    // One person: one PDF.
    let answers = futures_util::future::join_all((0..6).map(|_| asked(&people[0], order()))).await;
    assert!(answers.iter().any(|answer| answer.0 == 200), "{answers:?}");
    let refused: Vec<_> = answers.iter().filter(|answer| answer.0 != 200).collect();
    assert!(!refused.is_empty(), "all were made at once");
    for (status, code, retry) in refused {
        assert_eq!((*status, code.as_str(), *retry), (409, "conflict", true));
    }
    // Whoever is gone leaves the desk, and their place.
    assert_eq!(asked(&people[0], order()).await.0, 200);
    // Ordered, it waits for a desk as long as it has to.
    let export = ordered(&people[1].api, order()).await;
    assert_eq!(export["status"], "ready", "{export}");
}

/// A client that is gone does not keep a desk: what would take half a minute is given up.
async fn nobody_keeps_a_desk_who_is_gone(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__API_USER", "10000/1m").start().await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let eve = instance.signed_up("eve@example.com").await;
    for person in [&ada, &bob] {
        old_orders(&instance, person, 3_000).await;
    }
    let order = || json!({"kind": "account", "format": "pdf"});
    let made = async |person| loop {
        let answer = asked(person, order()).await;
        if answer.0 != 503 {
            return answer;
        }
    };
    let (mut first, mut second) = (Box::pin(made(&ada)), Box::pin(made(&bob)));
    // Long enough for all of it to be collected, and the work to be with threads of their own.
    let taken = async {
        let mut refused = 0;
        eventually("both desks to be taken", async || {
            refused += usize::from(asked(&eve, order()).await.0 == 503);
            (refused > 30).then_some(())
        })
        .await;
    };
    tokio::select! {
        answer = &mut first => panic!("it is made already: {answer:?}"),
        answer = &mut second => panic!("it is made already: {answer:?}"),
        () = taken => {}
    }
    drop((first, second));
    eventually("a desk", async || (asked(&eve, order()).await.0 == 200).then_some(())).await;
}

/// Status, code, and whether it is said when to come again.
async fn asked(person: &SignedIn, order: Value) -> (u16, String, bool) {
    let answer: Answer = send(person, order).await;
    (answer.status, answer.body["code"].as_str().unwrap_or_default().to_owned(), answer.header("retry-after").is_some())
}

/// A file need not be text.
async fn send(person: &SignedIn, order: Value) -> Answer {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let request = http.post(format!("{}{STREAM}", person.api.base())).bearer_auth(&person.access_token).json(&order);
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, body, text, asked: STREAM.to_owned() }
}

/// Whatever narrows it: it is counted before the answer begins.
async fn what_is_too_long_is_refused(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let who: uuid::Uuid = ada.id().parse().unwrap();
    instance.change("INSERT INTO transaction_ledgers (owner_id, user_id) VALUES ($1, $1)", keystead::args![who]).await;
    let sql = match store {
        Store::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $3 - 1)
            INSERT INTO transactions (id, owner_id, kind, amount, currency, value, category, occurred_at, created_at, updated_at, version, words, content)
            SELECT randomblob(16), $1, 'expense', 1, 'EUR', 100, x'', $2 + i, $2 + i, $2, 1, x'', x'00' FROM n"
        }
        Store::Postgres => {
            "INSERT INTO transactions (id, owner_id, kind, amount, currency, value, category, occurred_at, created_at, updated_at, version, words, content)
            SELECT gen_random_uuid(), $1, 'expense', 1, 'EUR', 100, ''::bytea, $2::bigint + i, $2::bigint + i, $2::bigint, 1, ''::bytea, ''::bytea
                FROM generate_series(1, $3::bigint) AS i"
        }
    };
    let most = i64::try_from(STREAMED_ROWS_MAX).unwrap();
    instance.change(sql, keystead::args![who, instance.clock.now(), most + 1]).await;
    for filter in [json!({"kind": "expense"}), json!({"currency": "EUR"})] {
        let answer = ada.api.post(STREAM, json!({"kind": "transactions", "format": "csv", "filter": filter})).await;
        assert_eq!(answer.expect_problem(422, "validation_failed").field_errors(), ["filter:too_many_rows"]);
    }
    // Nothing of it is counted that the filter leaves out.
    ada.api.post(STREAM, json!({"kind": "transactions", "format": "csv", "filter": {"kind": "income"}})).await.expect(200);
    let streamed = instance.events().await.into_iter().filter(|event| event.action == "export.streamed").count();
    assert_eq!(streamed, 1, "what is refused is not on record as had");
}

/// Nobody counts an account: too much of it breaks off, and does not look whole.
async fn what_turns_out_too_long_breaks_off(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    old_orders(&instance, &ada, i64::try_from(STREAMED_ROWS_MAX).unwrap()).await;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let order = json!({"kind": "account", "format": "json"});
    let request = http.post(format!("{}{STREAM}", ada.api.base())).bearer_auth(&ada.access_token).json(&order);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err(), "it looks whole");
    let answer = ada.api.post(STREAM, json!({"kind": "account", "format": "pdf"})).await;
    assert_eq!(answer.expect_problem(422, "validation_failed").field_errors(), ["filter:too_many_rows"]);
}

async fn files_of_a_person_take_so_much(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_EXPORTS__BYTES_PER_PERSON", "1MiB").start().await;
    let auditor = auditor(&instance).await;
    large_acts(&instance, &auditor, 900, 1_000).await;
    let small = ordered(&auditor.api, json!({"kind": "audit", "format": "csv", "filter": {"action": "user.registered"}})).await;
    assert_eq!(small["status"], "ready", "{small}");
    // More than there is room for: nothing is left of it.
    let large = ordered(&auditor.api, json!({"kind": "audit", "format": "csv"})).await;
    assert_eq!((&large["status"], &large["failure"]["code"], &large["expiresAt"]), (&json!("failed"), &json!("no_room"), &Value::Null));
    let id: uuid::Uuid = large["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(instance.count("SELECT count(*) FROM export_chunks WHERE export_id = $1", keystead::args![id]).await, 0);
    assert_eq!(fetched(&auditor, url(&small), &[]).await.0, 200);
    // A failed one takes none of it; whoever has all of it orders nothing more.
    instance.change("UPDATE exports SET bytes = 1048576 WHERE status = 'ready'", vec![]).await;
    let order = json!({"kind": "audit", "format": "json", "filter": {"action": "user.registered"}});
    let answer = auditor.api.post(EXPORTS, order.clone()).await.expect_problem(409, "conflict");
    assert!(answer.str("/detail").contains("1048576"), "{answer}");
    auditor.api.delete(&format!("{EXPORTS}/{}", small["id"].as_str().unwrap())).await.expect(204);
    assert_eq!(ordered(&auditor.api, order).await["status"], "ready");
}

async fn nobody_listens_to_more_than_they_may(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    let (path, other) = (waiting(&instance, &ada).await, waiting(&instance, &eve).await);
    let mut open = Vec::new();
    for _ in 0..LISTENERS_MAX {
        open.push(ada.api.listen(&path).await);
    }
    let answer = ada.api.get(&path).await.expect_problem(429, "rate_limited");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    let _eve = eve.api.listen(&other).await;
    open.pop();
    eventually("a place", async || (ada.api.probe(&path).await == Some(200)).then_some(())).await;
    // All of them hear the same.
    open.truncate(3);
    instance.change("UPDATE exports SET rows_done = 7", vec![]).await;
    for events in &mut open {
        assert_eq!(events.expect("progress").await.data["export"]["progress"]["rows"], 0);
        assert_eq!(events.expect("progress").await.data["export"]["progress"]["rows"], 7);
    }
}

/// An export that nobody writes; the path of its progress.
pub(super) async fn waiting(instance: &Instance, person: &SignedIn) -> String {
    let sql = "INSERT INTO exports (id, user_id, kind, format, wish, status, rows_done, bytes, created_at, updated_at)
        VALUES ($1, $2, 'account', 'json', $3, 'queued', 0, 0, $4, $4)";
    let now = instance.clock.now();
    let id = instance.running.app.ground.random.uuid(now);
    let who: uuid::Uuid = person.id().parse().unwrap();
    instance.change(sql, keystead::args![id, who, vec![0_u8], now]).await;
    format!("{EXPORTS}/{id}/events")
}

both_stores!(
    files_of_a_person_take_so_much,
    nobody_keeps_a_desk_who_is_gone,
    nobody_listens_to_more_than_they_may,
    pdfs_wait_for_nobody,
    what_is_too_long_is_refused,
    what_turns_out_too_long_breaks_off
);
