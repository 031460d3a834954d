//! What the client refuses before it trusts anybody: addresses, servers that are none, and how it paces itself.

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use keystead::cli::remote::address::Address;
use keystead::cli::remote::device::{Heard, Pace};
use keystead::cli::remote::plain;
use serde_json::{Value, json};

use super::signing_in::Machine;

#[test]
fn tokens_travel_over_https_or_not_at_all() {
    for (text, address) in [
        ("https://id.example.com", "https://id.example.com"),
        ("https://id.example.com/", "https://id.example.com"),
        ("https://ID.Example.com:443", "https://id.example.com"),
        ("https://id.example.com:8443", "https://id.example.com:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(Address::parse(text).unwrap().as_str(), address);
    }
    for text in [
        "",
        "id.example.com",
        "http://id.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://[::ffff:10.0.0.1]",
        "ftp://localhost",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https://user:secret@id.example.com",
        "https://id.example.com/path",
        "https://id.example.com?x=1",
        "https://id.example.com#x",
    ] {
        assert!(Address::parse(text).is_err(), "{text}");
    }
}

#[test]
fn polling_keeps_the_pace_that_the_server_asks_for() {
    let seconds = Duration::from_secs;
    let mut pace = Pace::new(None);
    assert_eq!((pace.first(), pace.after(Heard::Pending)), (seconds(5), seconds(5)));
    // Five seconds longer each time, and from then on (RFC 8628 section 3.5).
    assert_eq!(
        (pace.after(Heard::SlowDown), pace.after(Heard::SlowDown), pace.after(Heard::Pending)),
        (seconds(10), seconds(15), seconds(15))
    );
    assert_eq!(
        (pace.after(Heard::Busy(40)), pace.after(Heard::Busy(1)), pace.after(Heard::Pending)),
        (seconds(40), seconds(15), seconds(15))
    );
    let mut pace = Pace::new(Some(5));
    let silence: Vec<_> = (0..6).map(|_| pace.after(Heard::Silence).as_secs()).collect();
    assert_eq!((silence, pace.after(Heard::Pending)), (vec![10, 20, 40, 60, 60, 60], seconds(5)));
    let mut unhurried = Pace::new(Some(120));
    assert_eq!(unhurried.after(Heard::Silence), seconds(120));
    assert!(Pace::new(Some(0)).first() >= Duration::from_millis(20), "no server is asked without any pause");
}

#[test]
fn nobody_steers_the_terminal() {
    assert_eq!(plain("a\u{1b}[2Jb\r\nc\u{9b}d\u{202e}e"), "a[2Jbcde");
    assert_eq!(plain(&"x".repeat(10_000)).len(), 500);
}

/// A server that says what `metadata` says, with `{base}` for its address.
async fn impostor(metadata: Value, begun: Value) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let metadata = metadata.to_string().replace("{base}", &base);
    let said = move || std::future::ready(([("content-type", "application/json")], metadata.clone()));
    let begun = move || std::future::ready(([("content-type", "application/json")], begun.to_string()));
    let denied = || std::future::ready((http::StatusCode::BAD_REQUEST, json!({"error": "access_denied"}).to_string()));
    let router = Router::new()
        .route("/.well-known/oauth-authorization-server", get(said))
        .route("/device", post(begun))
        .route("/token", post(denied));
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn good() -> Value {
    json!({"issuer": "{base}", "token_endpoint": "{base}/token", "device_authorization_endpoint": "{base}/device"})
}

async fn refused(metadata: Value, begun: Value, words: &str) {
    let base = impostor(metadata, begun).await;
    Machine::new().run(&["login", "--server", &base]).await.refused(1, words);
}

#[tokio::test]
async fn servers_that_are_none_are_told_apart() {
    refused(json!("hello"), json!({}), "There is no Keystead at").await;
    refused(json!({"issuer": "{base}"}), json!({}), "There is no Keystead at").await;
    refused(
        json!({"issuer": "https://evil.example", "token_endpoint": "{base}/token"}),
        json!({}),
        "says that its address is https://evil.example",
    )
    .await;
    for member in ["token_endpoint", "device_authorization_endpoint", "revocation_endpoint"] {
        for elsewhere in ["https://evil.example/token", "http://127.0.0.1:1/token", "file:///etc/passwd", "{base}@evil.example/token"] {
            let mut metadata = good();
            metadata[member] = json!(elsewhere);
            refused(metadata, json!({}), "sends tokens elsewhere").await;
        }
    }
    refused(json!({"issuer": "{base}", "token_endpoint": "{base}/token"}), json!({}), "does not sign in devices").await;
    refused(good(), json!({}), "gave no codes").await;
    Machine::new().run(&["login", "--server", "http://127.0.0.1:1"]).await.refused(1, "http://127.0.0.1:1 does not answer");
}

#[tokio::test]
async fn what_a_server_says_is_only_text() {
    let begun = json!({"device_code": "d", "user_code": "\u{1b}]0;gone\u{7}WDJB-MJHT", "verification_uri": "\u{1b}[2Jhttps://a.example",
        "expires_in": 600, "interval": 0});
    let login = Machine::new().login(&["--server", &impostor(good(), begun).await]).await;
    assert!(!login.said.contains(['\u{1b}', '\u{7}']) && login.said.contains("WDJB-MJHT"), "{:?}", login.said);
    login.end().await.refused(1, "The sign-in was denied.");
}

#[tokio::test]
async fn wrong_usage_of_servers_exits_with_2() {
    let machine = Machine::new();
    for server in ["http://id.example.com", "https://id.example.com/app", "id.example.com", ""] {
        for command in ["login", "whoami", "logout"] {
            let ran = machine.run(&[command, "--server", server]).await;
            assert!(ran.code == Some(2) && ran.stderr.contains("--server"), "{ran:?}");
        }
    }
    // Nobody is signed in, and no server was named: the one of development is meant.
    machine.run(&["whoami"]).await.refused(1, "You are not signed in to http://localhost:8080");
}
