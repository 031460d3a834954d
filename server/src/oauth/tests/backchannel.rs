//! Clients are told when sessions of theirs end: by a token that a stock library verifies, until they take it, and never at an
//! address inside.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use http::Method;
use keystead::args;
use keystead::oauth::is_public;
use serde_json::{Value, json};

use super::id_token::{let_in, verified};
use super::{admin, claims, form, register};
use crate::support::{Instance, PASSWORD, Store, both_stores, eventually};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
pub const GRANTS: [&str; 2] = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"];

/// A client's own server: it answers what it is told to, in turn, and keeps what it got.
#[derive(Clone)]
pub struct Receiver {
    pub address: String,
    got: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    pub async fn start(answers: &[u16]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/backchannel", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.iter().rev().copied().collect()));
        let receiver = Self { address, got: Arc::default(), answers };
        let router = Router::new().route("/backchannel", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    pub fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }

    /// The logout tokens, once there are as many.
    async fn tokens(&self, count: usize) -> Vec<String> {
        let got = eventually("the client to be told", async || Some(self.got()).filter(|got| got.len() >= count)).await;
        got.iter().map(|body| token_of(body)).collect()
    }
}

fn token_of(body: &str) -> String {
    let read: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert!(read.len() == 1 && read[0].0 == "logout_token", "{body}");
    read[0].1.clone()
}

async fn take(State(receiver): State<Receiver>, headers: axum::http::HeaderMap, body: String) -> impl IntoResponse {
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
    receiver.got.lock().unwrap().push(body);
    let status = receiver.answers.lock().unwrap().pop().unwrap_or(200);
    (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, receiver.address.replace("/backchannel", "/elsewhere"))])
}

/// A client that is told at `address`.
pub async fn told(instance: &Instance, name: &str, address: &str) -> String {
    let root = match instance.count("SELECT count(*) FROM users", args![]).await {
        0 => admin(instance).await,
        _ => instance.signed_in("root@example.com").await,
    };
    let body = json!({"name": name, "grantTypes": GRANTS, "tokenEndpointAuthMethod": "none", "scopes": ["openid"],
        "backchannelLogoutUri": address, "backchannelLogoutSessionRequired": true});
    register(&root.api, body).await.id
}

pub async fn queued(instance: &Instance, state: &str) -> i64 {
    let sql = "SELECT count(*) FROM jobs WHERE kind = 'oauth.backchannel_logout' AND state = $1";
    instance.count(sql, args![state.to_owned()]).await
}

/// Every way that a session ends is told, to the client of each session.
async fn clients_are_told_of_every_end(store: Store) {
    let instance = Instance::start(store).await;
    let receiver = Receiver::start(&[]).await;
    let client = told(&instance, "Shop", &receiver.address).await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut expected: Vec<Value> = Vec::new();
    let mut opened = async || {
        let tokens = let_in(&instance, &client, &ada).await;
        expected.push(claims(tokens.str("/access_token"))["sid"].clone());
        tokens
    };
    // The person ends it; the client gives its token back; a hint; the replay of a refresh token; a new password.
    let first = opened().await;
    let sid = claims(first.str("/access_token"))["sid"].as_str().unwrap().to_owned();
    ada.api.delete(&format!("/api/v1/sessions/{sid}")).await.expect(204);
    receiver.tokens(1).await;
    let second = opened().await;
    form(&instance, "/oauth2/revoke", &[("client_id", &client), ("token", second.str("/refresh_token"))]).await.expect(200);
    receiver.tokens(2).await;
    let third = opened().await;
    form(&instance, "/oauth2/logout", &[("id_token_hint", third.str("/id_token"))]).await.expect(200);
    receiver.tokens(3).await;
    let fourth = opened().await;
    let mut token = fourth.str("/refresh_token").to_owned();
    for _ in 0..2 {
        let parameters = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", token.as_str())];
        token = form(&instance, "/oauth2/token", &parameters).await.expect(200).str("/refresh_token").to_owned();
        instance.advance(Duration::from_secs(120));
    }
    let stolen = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", fourth.str("/refresh_token"))];
    form(&instance, "/oauth2/token", &stolen).await.expect(400);
    receiver.tokens(4).await;
    opened().await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": "Short-Zebra-Whistles-43"});
    ada.api.post("/api/v1/auth/password/change", change).await.expect(204);
    let tokens = receiver.tokens(5).await;

    for (token, sid) in tokens.iter().zip(&expected) {
        let said = claims(token);
        assert_eq!((&said["sid"], &said["sub"], &said["aud"]), (sid, &json!(ada.id()), &json!(client)));
        assert_eq!(said["events"], json!({EVENT: {}}));
        assert!(said.get("nonce").is_none() && said["jti"].is_string(), "{said}");
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 120);
    }
    let last = verified(&instance, &tokens[4], &client, "logout+jwt").await;
    assert_eq!(last["iss"], "http://localhost:8080");
    assert!(instance.metric("keystead_backchannel_logouts_total", &["delivered"]).await >= 5.0);
    // A logout token is neither an access token nor a hint.
    instance.with_token(&tokens[4]).get("/oauth2/userinfo").await.expect_problem(401, "unauthenticated");
    let page = instance.get(&format!("/oauth2/logout?id_token_hint={}", tokens[4])).await.expect(200);
    assert!(page.text.contains("/oauth2/logout.js"), "{page}");
}

/// One sign-out ends the sessions of several clients: each is told of its own, and those that did not ask are left alone.
async fn each_client_hears_of_its_own_sessions(store: Store) {
    let instance = Instance::start(store).await;
    let (one, two) = (Receiver::start(&[]).await, Receiver::start(&[204]).await);
    let (shop, forum) = (told(&instance, "Shop", &one.address).await, told(&instance, "Forum", &two.address).await);
    let root = instance.signed_in("root@example.com").await;
    let body = json!({"name": "Silent", "grantTypes": GRANTS, "tokenEndpointAuthMethod": "none", "scopes": ["openid"]});
    let silent = register(&root.api, body).await.id;
    let ada = instance.signed_up("ada@example.com").await;
    for client in [&shop, &shop, &forum, &silent] {
        let_in(&instance, client, &ada).await;
    }
    ada.api.send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
    let (at_shop, at_forum) = (one.tokens(2).await, two.tokens(1).await);
    assert_ne!(claims(&at_shop[0])["sid"], claims(&at_shop[1])["sid"]);
    assert!(at_shop.iter().all(|token| claims(token)["aud"] == shop) && claims(&at_forum[0])["aud"] == forum);
    eventually("the queue to be empty", async || (queued(&instance, "queued").await == 0).then_some(())).await;
    assert_eq!((one.got().len(), two.got().len(), queued(&instance, "dead").await), (2, 1, 0));
}

/// A client that does not take it is told again, with a new token; a redirect is no answer and is not followed.
async fn a_client_is_told_until_it_takes_it(store: Store) {
    let instance = Instance::start(store).await;
    let receiver = Receiver::start(&[500, 307, 400, 200]).await;
    let client = told(&instance, "Shop", &receiver.address).await;
    let ada = instance.signed_up("ada@example.com").await;
    let_in(&instance, &client, &ada).await;
    ada.api.send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
    for attempt in 1..4 {
        receiver.tokens(attempt).await;
        let sql = "SELECT count(*) FROM jobs WHERE kind = 'oauth.backchannel_logout' AND attempts = $1 AND lease_owner IS NULL";
        let attempts = i64::try_from(attempt).unwrap();
        eventually("the failure to be recorded", async || (instance.count(sql, args![attempts]).await == 1).then_some(())).await;
        instance.advance(Duration::from_secs(60));
        instance.running.app.ground.jobs.wake();
    }
    let tokens = receiver.tokens(4).await;
    let ids: std::collections::BTreeSet<String> = tokens.iter().map(|token| claims(token)["jti"].to_string()).collect();
    assert_eq!(ids.len(), 4);
    eventually("the job to be done", async || (queued(&instance, "queued").await == 0).then_some(())).await;
    assert_eq!((receiver.got().len(), queued(&instance, "dead").await), (4, 0));
}

/// Told when it happened: what is rolled back, or had ended before, is not told.
async fn nothing_is_told_that_did_not_happen(store: Store) {
    let instance = Instance::start(store).await;
    let receiver = Receiver::start(&[]).await;
    let client = told(&instance, "Shop", &receiver.address).await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let sid = claims(tokens.str("/access_token"))["sid"].as_str().unwrap().to_owned();
    eve.api.delete(&format!("/api/v1/sessions/{sid}")).await.expect_problem(404, "not_found");
    let sessions = instance.running.app.sessions.clone();
    let (user, now) = (ada.id().parse().unwrap(), instance.clock.now());
    let rolled_back = instance.running.app.ground.db.write(async move |tx| {
        sessions.end_all(tx, user, keystead::sessions::EndReason::Revoked, now).await?;
        Err::<(), _>(keystead::db::DbError::Other("on second thought".to_owned()))
    });
    rolled_back.await.unwrap_err();
    assert_eq!(queued(&instance, "queued").await, 0);
    let parameters = [("client_id", client.as_str()), ("token", tokens.str("/refresh_token"))];
    futures_util::future::join_all((0..8).map(|_| form(&instance, "/oauth2/revoke", &parameters))).await;
    receiver.tokens(1).await;
    eventually("the queue to be empty", async || (queued(&instance, "queued").await == 0).then_some(())).await;
    assert_eq!(receiver.got().len(), 1);
}

/// The same installation in staging, where addresses are looked at as in production.
async fn outside_development(first: Instance, more: &[(&str, &str)]) -> Instance {
    let (ground, clock, store) = (Arc::clone(&first.ground), first.clock.clone(), first.ground.store);
    first.stop().await;
    std::fs::set_permissions(ground.data_dir(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let settings = [("KEYSTEAD_ENV", "staging"), ("SMTP_URL", "smtp://127.0.0.1:9"), ("MAIL_FROM", "no-reply@example.com")];
    let all = settings.iter().chain(more);
    all.fold(Instance::builder(store).on(ground).clock(clock), |builder, (name, value)| builder.set(name, value)).start().await
}

/// A network that the operator named is called, still by https alone.
async fn a_network_that_was_named_is_called(store: Store) {
    let first = Instance::start(store).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = told(&first, "Plain", &format!("http://127.0.0.1:{port}/backchannel")).await;
    let client = told(&first, "Intranet", &format!("https://127.0.0.1:{port}/backchannel")).await;
    let ada = first.signed_up("ada@example.com").await;
    let_in(&first, &plain, &ada).await;
    let_in(&first, &client, &ada).await;
    let guarded = outside_development(first, &[("KEYSTEAD_OAUTH__BACKCHANNEL_NETWORKS", "10.0.0.0/8, 127.0.0.1")]).await;
    guarded.with_token(&ada.access_token).send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
    // It speaks TLS to whoever listens there, who does not.
    let (mut stream, _) = tokio::time::timeout(Duration::from_secs(5), listener.accept()).await.expect("nobody called").unwrap();
    let mut first_byte = [0];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first_byte).await.unwrap();
    assert_eq!(first_byte, [22], "a TLS handshake");
    eventually("plain http to be refused", async || (queued(&guarded, "dead").await == 1).then_some(())).await;
}

/// Outside development only https to the Internet is called: whoever registers a client cannot reach what is inside.
async fn addresses_inside_are_not_called(store: Store) {
    let first = Instance::start(store).await;
    let receiver = Receiver::start(&[]).await;
    let port = receiver.address.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
    let inside = [
        receiver.address.clone(),
        format!("https://127.0.0.1:{port}/backchannel"),
        format!("https://[::1]:{port}/backchannel"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://10.0.0.1/".to_owned(),
    ];
    for (turn, address) in inside.iter().enumerate() {
        told(&first, &format!("Inside {turn}"), address).await;
    }
    let by_name = told(&first, "By name", &format!("https://localhost:{port}/backchannel")).await;
    let ada = first.signed_up("ada@example.com").await;
    let clients = first.rows("SELECT id FROM oauth_clients", args![]).await;
    for client in &clients {
        let_in(&first, &client.get::<String>(0).unwrap(), &ada).await;
    }
    let guarded = outside_development(first, &[]).await;
    guarded.with_token(&ada.access_token).send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
    let inside = i64::try_from(inside.len()).unwrap();
    eventually("the jobs to be refused", async || (queued(&guarded, "dead").await == inside).then_some(())).await;
    // A name may lead elsewhere tomorrow, so it is tried again.
    let sql = "SELECT last_error FROM jobs WHERE kind = 'oauth.backchannel_logout' AND state = 'queued' AND attempts >= 1 AND lease_owner IS NULL";
    let error =
        eventually("the name to be refused", async || guarded.rows(sql, args![]).await.first().map(|row| row.get::<String>(0).unwrap()))
            .await;
    assert!(error.contains("no address on the Internet"), "{error} ({by_name})");
    assert_eq!(receiver.got(), Vec::<String>::new());
}

both_stores!(
    clients_are_told_of_every_end,
    each_client_hears_of_its_own_sessions,
    a_client_is_told_until_it_takes_it,
    nothing_is_told_that_did_not_happen,
    a_network_that_was_named_is_called,
    addresses_inside_are_not_called,
);

#[test]
fn what_is_on_the_internet() {
    for outside in
        ["1.1.1.1", "93.184.216.34", "100.63.0.1", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "2606:4700::1111", "2a00::1"]
    {
        assert!(is_public(outside.parse::<IpAddr>().unwrap()), "{outside}");
    }
    for inside in [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(inside.parse::<IpAddr>().unwrap()), "{inside}");
    }
}
