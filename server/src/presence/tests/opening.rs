//! How a connection is opened, and how not.

use std::time::Duration;

use keystead::flags::declared::REALTIME_PRESENCE;
use serde_json::json;

use super::client::{Opening, Refused, Socket, ticket};
use crate::support::{Instance, Store, both_stores};

fn refused(status: u16, code: &str) -> Refused {
    Refused { status, code: code.to_owned() }
}

/// By ticket in the address or as a subprotocol, by token as a subprotocol or in a header; only `keystead.v1` is answered.
async fn each_proof_opens_a_connection(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let socket = Socket::of(&instance, &ada).await;
    assert_eq!(socket.hello["payload"]["heartbeatSeconds"], 25);
    assert_eq!(socket.hello["payload"]["resumed"], false);

    let by = |protocols: String| Opening::new(&instance, "/api/v1/realtime").with("sec-websocket-protocol", protocols).open();
    by(format!("keystead.v1, keystead.ticket.{}", ticket(&ada).await)).await.unwrap();
    by(format!("keystead.token.{}, keystead.v1", ada.access_token)).await.unwrap();
    let header = format!("Bearer {}", ada.access_token);
    Opening::new(&instance, "/api/v1/realtime").with("authorization", header).open().await.unwrap();
}

/// What proves nothing opens nothing.
async fn nothing_else_opens_one(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let at = |path: &str| Opening::new(&instance, path);
    let plain = "/api/v1/realtime";
    assert_eq!(at(plain).open().await.unwrap_err(), refused(401, "unauthenticated"));
    for path in [format!("{plain}?token={}", ada.access_token), format!("{plain}?access_token={}", ada.access_token)] {
        assert_eq!(at(&path).open().await.unwrap_err(), refused(400, "invalid_request"), "a token is never taken from the address");
    }
    for ticket in ["", "made-up", ada.access_token.as_str(), &"x".repeat(2000)] {
        let path = format!("{plain}?ticket={ticket}");
        assert_eq!(at(&path).open().await.unwrap_err(), refused(401, "unauthenticated"), "{ticket}");
    }
    let both = format!("{plain}?ticket={}", ticket(&ada).await);
    let header = format!("Bearer {}", ada.access_token);
    assert_eq!(at(&both).with("authorization", &header).open().await.unwrap_err(), refused(400, "invalid_request"));

    // Without the subprotocol, and without an upgrade at all, which does not use the ticket up.
    assert_eq!(at(&both).with("sec-websocket-protocol", "other.v1").open().await.unwrap_err(), refused(400, "invalid_request"));
    instance.get(&format!("{plain}?ticket={}", ticket(&ada).await)).await.expect_problem(400, "invalid_request");
    ada.api.get(plain).await.expect_problem(400, "invalid_request");
    instance.get(plain).await.expect_problem(401, "unauthenticated");
}

/// Of sixteen at once one wins; later it is worth nothing, and neither is one that is too old.
async fn a_ticket_opens_one_connection_once(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let path = format!("/api/v1/realtime?ticket={}", ticket(&ada).await);
    let all = (0..16).map(|_| Opening::new(&instance, &path).open());
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(all.iter().filter_map(|outcome| outcome.as_ref().err()).all(|why| *why == refused(401, "unauthenticated")));

    let old = ticket(&ada).await;
    instance.advance(Duration::from_secs(31));
    let path = format!("/api/v1/realtime?ticket={old}");
    assert_eq!(Opening::new(&instance, &path).open().await.unwrap_err(), refused(401, "unauthenticated"));

    // Signed out in between.
    let path = format!("/api/v1/realtime?ticket={}", ticket(&ada).await);
    ada.api.post("/api/v1/auth/logout", json!({})).await.expect(204);
    assert_eq!(Opening::new(&instance, &path).open().await.unwrap_err(), refused(401, "session_revoked"));
}

/// The page that opens it is ours or listed.
async fn the_origin_is_checked(store: Store) {
    let instance = Instance::builder(store).set("CORS_ORIGINS", "https://app.example.com").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let header = format!("Bearer {}", ada.access_token);
    let from = |origin: &str| Opening::new(&instance, "/api/v1/realtime").with("authorization", &header).with("origin", origin).open();
    for origin in ["https://app.example.com", "http://localhost:8080"] {
        from(origin).await.unwrap();
    }
    for origin in ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com"] {
        assert_eq!(from(origin).await.unwrap_err(), refused(403, "forbidden"), "{origin}");
    }
}

/// Only the person themselves: not their programs, and not while the flag is off.
async fn the_flag_and_the_guard_hold(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = json!({"name": "cron", "scopes": ["account:read"], "expiresInDays": 7});
    let made = ada.api.post("/api/v1/account/tokens", made).await;
    if made.status == 201 {
        let header = format!("Bearer {}", made.str("/secret"));
        let opening = Opening::new(&instance, "/api/v1/realtime").with("authorization", header);
        assert_eq!(opening.open().await.unwrap_err(), refused(403, "insufficient_scope"));
    }
    let root = instance.signed_up("root@example.com").await;
    instance.set_roles(&root, "admin").await;
    let off =
        json!({"type": "boolean", "enabled": false, "variants": {"on": true, "off": false}, "defaultVariant": "on", "offVariant": "off"});
    root.api.put(&format!("/api/v1/admin/flags/{}", REALTIME_PRESENCE.key), off).await;
    ada.api.post("/api/v1/realtime/ticket", json!({})).await.expect_problem(404, "feature_disabled");
    let header = format!("Bearer {}", ada.access_token);
    let opening = Opening::new(&instance, "/api/v1/realtime").with("authorization", header);
    assert_eq!(opening.open().await.unwrap_err(), refused(404, "feature_disabled"));
}

/// A person and an address have so many connections, and the instance as well.
async fn connections_are_counted(store: Store) {
    let instance = Instance::builder(store)
        .set("KEYSTEAD_PRESENCE__CONNECTIONS_PER_USER", 2)
        .set("KEYSTEAD_PRESENCE__CONNECTIONS_PER_ADDRESS", 3)
        .set("KEYSTEAD_PRESENCE__MAX_CONNECTIONS", 4)
        .set("TRUSTED_PROXIES", "127.0.0.1/32")
        .start()
        .await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let eve = instance.signed_up("eve@example.com").await;
    let open = async |token: &str, from: &str| {
        let header = format!("Bearer {token}");
        Opening::new(&instance, "/api/v1/realtime").with("authorization", header).with("x-forwarded-for", from).open().await
    };
    let one = open(&ada.access_token, "203.0.113.1").await.unwrap();
    let _two = open(&ada.access_token, "203.0.113.2").await.unwrap();
    assert_eq!(open(&ada.access_token, "203.0.113.3").await.unwrap_err(), refused(429, "rate_limited"), "of one person");
    one.close().await;
    crate::support::eventually("the place is free", async || (instance.running.app.presence.connections() == 1).then_some(())).await;
    let _three = open(&ada.access_token, "203.0.113.2").await.unwrap();
    let _four = open(&bob.access_token, "203.0.113.2").await.unwrap();
    assert_eq!(open(&bob.access_token, "203.0.113.2").await.unwrap_err(), refused(429, "rate_limited"), "of one address");
    let _five = open(&bob.access_token, "203.0.113.4").await.unwrap();
    assert_eq!(open(&eve.access_token, "203.0.113.5").await.unwrap_err(), refused(503, "overloaded"), "of the instance");
}

both_stores!(
    each_proof_opens_a_connection,
    nothing_else_opens_one,
    a_ticket_opens_one_connection_once,
    the_origin_is_checked,
    the_flag_and_the_guard_hold,
    connections_are_counted,
);
