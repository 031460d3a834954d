//! What is on its way ends with the right to have it, and with whom it tells of.

use std::time::Duration;

use keystead::accounts::By;
use keystead::audit::Actor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::bounds::waiting;
use super::{EXPORTS, STREAM, audit_csv, auditor, fetched, large_acts, ordered, url};
use crate::support::{Instance, SignedIn, Store, both_stores};

/// An answer that is read slowly: no more of it is on its way than a small buffer holds.
struct Slow {
    stream: TcpStream,
    got: Vec<u8>,
}

impl Slow {
    async fn ask(person: &SignedIn, line: &str, body: &str) -> Self {
        let address = person.api.base().trim_start_matches("http://").parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            person.access_token,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut got = vec![0; 1_000];
        stream.read_exact(&mut got).await.unwrap();
        assert!(got.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&got));
        Self { stream, got }
    }

    /// All that came, to the end of the connection.
    async fn rest(mut self) -> Vec<u8> {
        let mut more = vec![0; 64 * 1024];
        let read = async {
            while let Ok(count @ 1..) = self.stream.read(&mut more).await {
                self.got.extend_from_slice(&more[..count]);
                // One whose end has come is not closed by the server.
                if self.got.ends_with(b"0\r\n\r\n") {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("it ends");
        self.got
    }
}

const ROWS: i64 = 1_500;
const EACH: usize = 8_000;

/// Somebody who reads the trail, and how their right to do so ends.
async fn lost(instance: &Instance, auditor: &SignedIn, how: &str) {
    match how {
        "session" => drop(auditor.api.post("/api/v1/auth/logout", json!({})).await.expect(204)),
        "scope" => {
            instance.set_roles(auditor, "user").await;
            // From here on this instance knows.
            auditor.api.get("/api/v1/admin/audit").await.expect_problem(403, "insufficient_scope");
        }
        _ => drop(instance.advance(Duration::from_secs(16 * 60))),
    }
}

async fn a_download_ends_with_the_right_to_it(store: Store) {
    for how in ["session", "scope", "token"] {
        let instance = Instance::start(store).await;
        let auditor = auditor(&instance).await;
        large_acts(&instance, &auditor, ROWS, EACH).await;
        let export = ordered(&auditor.api, json!({"kind": "audit", "format": "json"})).await;
        let size = usize::try_from(export["bytes"].as_i64().unwrap()).unwrap();
        assert!(export["status"] == "ready" && size > 8_000_000, "{export}");
        let slow = Slow::ask(&auditor, &format!("GET {}", url(&export)), "").await;
        lost(&instance, &auditor, how).await;
        let got = slow.rest().await.len();
        assert!(got < size, "{how}: all of it came, {got} bytes of {size}");
    }
}

async fn a_stream_ends_with_the_right_to_it(store: Store) {
    for how in ["session", "scope", "token"] {
        let instance = Instance::start(store).await;
        let auditor = auditor(&instance).await;
        large_acts(&instance, &auditor, ROWS, EACH).await;
        let slow = Slow::ask(&auditor, &format!("POST {STREAM}"), &json!({"kind": "audit", "format": "json"}).to_string()).await;
        lost(&instance, &auditor, how).await;
        let got = slow.rest().await;
        assert!(!got.ends_with(b"0\r\n\r\n") && got.len() < usize::try_from(ROWS).unwrap() * EACH, "{how}: it looks whole");
    }
}

/// Stopping an instance does not wait for those who listen; it tells them to come again.
async fn a_stop_ends_the_progress(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let path = waiting(&instance, &ada).await;
    let mut events = ada.api.listen(&path).await;
    events.expect("progress").await;
    let (stopped, told) = tokio::join!(tokio::time::timeout(Duration::from_secs(5), instance.stop()), events.next());
    stopped.expect("streams do not hold up the end");
    let told = told.expect("a word before the end");
    assert_eq!((told.event.as_str(), &told.data), ("reconnect", &json!({"reason": "draining"})));
}

async fn listening_ends_with_the_session(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let path = waiting(&instance, &ada).await;
    let mut events = ada.api.listen(&path).await;
    events.expect("progress").await;
    ada.api.post("/api/v1/auth/logout", json!({})).await.expect(204);
    assert_eq!(events.expect("revoked").await.data, json!({"reason": "session_revoked"}));
    assert!(events.next().await.is_none());
    // Who only needs a new access token is told so.
    let ada = instance.signed_in("ada@example.com").await;
    let mut events = ada.api.listen(&path).await;
    events.expect("progress").await;
    instance.advance(Duration::from_secs(16 * 60));
    assert_eq!(events.expect("reconnect").await.data, json!({"reason": "token_expired"}));
}

/// The file was written while the key was there, and would still tell of them.
async fn the_erased_are_in_no_file(store: Store) {
    let instance = Instance::start(store).await;
    let (auditor, ada) = (auditor(&instance).await, instance.signed_up("ada@example.com").await);
    let export = ordered(&auditor.api, audit_csv()).await;
    let (_, _, file) = fetched(&auditor, url(&export), &[]).await;
    assert!(String::from_utf8(file).unwrap().contains("127.0.0.1"));
    let own = ordered(&auditor.api, json!({"kind": "account", "format": "json"})).await;
    let running = ordered(&auditor.api, audit_csv()).await;
    let id: uuid::Uuid = running["id"].as_str().unwrap().parse().unwrap();
    instance
        .change("UPDATE exports SET status = 'running', finished_at = NULL, expires_at = NULL WHERE id = $1", keystead::args![id])
        .await;
    let (app, now, who) = (&instance.running.app, instance.clock.now(), ada.id().parse().unwrap());
    let by = || By::of(Actor::System);
    // Suspended, or deleted and still to be restored, they are read of as before.
    app.lifecycle.delete(who, by(), now).await.unwrap();
    assert_eq!(fetched(&auditor, url(&export), &[]).await.0, 200);
    app.lifecycle.erase(who, by(), now).await.unwrap();
    auditor.api.get(url(&export)).await.expect_problem(410, "gone");
    auditor.api.get(url(&running)).await.expect_problem(410, "gone");
    auditor.api.get(url(&own)).await.expect(200);
    let shown = async |export: &Value| {
        let path = format!("{EXPORTS}/{}", export["id"].as_str().unwrap());
        auditor.api.get(&path).await.expect(200).body["export"].clone()
    };
    assert_eq!(shown(&export).await["status"], "expired");
    let failed = shown(&running).await;
    assert_eq!((&failed["status"], &failed["failure"]["code"], &failed["expiresAt"]), (&json!("failed"), &json!("outdated"), &Value::Null));
    app.housekeep(instance.clock.now()).await;
    assert_eq!(instance.count("SELECT count(DISTINCT export_id) FROM export_chunks", vec![]).await, 1, "only that of the account is left");
    // Ordered again, it says nothing of them.
    let again = ordered(&auditor.api, json!({"kind": "audit", "format": "json", "filter": {"actor": ada.id()}})).await;
    let (_, _, file) = fetched(&auditor, url(&again), &[]).await;
    let file: Value = serde_json::from_slice(&file).unwrap();
    let events = file["events"].as_array().unwrap();
    assert!(!events.is_empty() && events.iter().all(|event| event["ip"].is_null() && event["userAgent"].is_null()), "{file}");
}

/// Part by part it is one download; from another session it is another.
async fn fetching_is_on_record_once(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let export = ordered(&ada.api, json!({"kind": "account", "format": "json"})).await;
    let told = async || instance.events().await.iter().filter(|event| event.action == "export.downloaded").count();
    let head = ada.api.send(http::Method::HEAD, url(&export), None).await.expect(200);
    assert_eq!(head.header("content-length"), Some(export["bytes"].to_string().as_str()));
    assert_eq!(told().await, 0, "HEAD fetches nothing");
    for range in ["bytes=10-", "bytes=0-9", "bytes=10-19"] {
        assert_eq!(fetched(&ada, url(&export), &[("range", range)]).await.0, 206);
    }
    assert_eq!(told().await, 1);
    let elsewhere = instance.signed_in("ada@example.com").await;
    fetched(&elsewhere, url(&export), &[]).await;
    assert_eq!(told().await, 2);
    instance.advance(Duration::from_secs(60 * 60));
    let later = instance.signed_in("ada@example.com").await;
    fetched(&later, url(&export), &[]).await;
    assert_eq!(told().await, 3);
}

async fn fetching_is_limited(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__API_USER", "3/1m").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let export = ordered(&ada.api, json!({"kind": "account", "format": "json"})).await;
    for _ in 0..2 {
        ada.api.get(url(&export)).await.expect(200);
    }
    let answer = ada.api.get(url(&export)).await.expect_problem(429, "rate_limited");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    ada.api.send(http::Method::HEAD, url(&export), None).await.expect(200);
}

both_stores!(
    a_download_ends_with_the_right_to_it,
    a_stop_ends_the_progress,
    a_stream_ends_with_the_right_to_it,
    fetching_is_limited,
    fetching_is_on_record_once,
    listening_ends_with_the_session,
    the_erased_are_in_no_file
);
