//! `POST /oauth2/device_authorization`.

use std::time::Duration;

use keystead::args;
use serde_json::json;

use super::super::{admin, expect_refusal, form, raw_form, register};
use super::{BEGIN, CLI, Device, GRANT, LOOKUP, television};
use crate::support::{Instance, Store, both_stores};

async fn a_device_gets_two_codes(store: Store) {
    let instance = Instance::start(store).await;
    let answer = form(&instance, BEGIN, &[("client_id", CLI)]).await.expect(200);
    assert_eq!((&answer.body["expires_in"], &answer.body["interval"]), (&json!(600), &json!(5)));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.str("/verification_uri"), "http://localhost:8080/device");
    let code = answer.str("/user_code");
    assert_eq!(answer.str("/verification_uri_complete"), format!("http://localhost:8080/device?user_code={code}"));
    let (first, last) = code.split_once('-').unwrap();
    let alphabet = keystead::oauth::device::ALPHABET;
    assert!(first.len() == 4 && last.len() == 4 && [first, last].concat().bytes().all(|letter| alphabet.contains(&letter)), "{code}");
    assert_eq!(answer.str("/device_code").len(), 43, "256 bits in base64url");
    assert!(instance.metric("keystead_device_sign_ins_total", &["begun"]).await >= 1.0);
}

async fn codes_stand_nowhere_in_the_clear(store: Store) {
    let instance = Instance::start(store).await;
    let device = Device::begun(&instance.with("user-agent", "Gadget/7")).await;
    let rows = instance.rows("SELECT device_hash, user_hash, origin, holder FROM oauth_device_requests", args![]).await;
    let short = device.user_code.replace('-', "");
    for (column, secret) in [(0, device.device_code.as_str()), (1, short.as_str()), (2, "Gadget"), (2, "127.0.0.1"), (3, "127.0.0.1")] {
        let bytes: Vec<u8> = rows[0].get(column).unwrap();
        assert!(bytes.len() >= 32 && !bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
}

async fn only_clients_with_the_grant_may_begin(store: Store) {
    let instance = Instance::start(store).await;
    expect_refusal(&form(&instance, BEGIN, &[("client_id", "keystead")]).await, 400, "unauthorized_client");
    expect_refusal(&form(&instance, BEGIN, &[("client_id", "unknown")]).await, 401, "invalid_client");
    expect_refusal(&raw_form(&instance, BEGIN, "").await, 401, "invalid_client");
    expect_refusal(&raw_form(&instance, BEGIN, "client_id=keystead-cli&client_id=keystead-cli").await, 400, "invalid_request");
    expect_refusal(&form(&instance, BEGIN, &[("client_id", CLI), ("scope", "users:read")]).await, 400, "invalid_scope");
    let root = admin(&instance).await;
    let web = json!({"name": "Web", "grantTypes": ["authorization_code"], "redirectUris": ["https://a.example/cb"]});
    let web = register(&root.api, web).await;
    expect_refusal(&form(&web.basic(&instance), BEGIN, &[]).await, 400, "unauthorized_client");
    let hub = register(&root.api, json!({"name": "Hub", "grantTypes": [GRANT], "scopes": ["shows:watch"]})).await;
    expect_refusal(&form(&instance, BEGIN, &[("client_id", &hub.id)]).await, 401, "invalid_client");
    expect_refusal(&form(&hub.basic(&instance), BEGIN, &[("scope", "shows:rate")]).await, 400, "invalid_scope");
    form(&hub.basic(&instance), BEGIN, &[("scope", "shows:watch")]).await.expect(200);
    root.api.patch(&format!("/api/v1/admin/clients/{}", hub.id), json!({"disabled": true})).await.expect(200);
    expect_refusal(&form(&hub.basic(&instance), BEGIN, &[]).await, 401, "invalid_client");
}

async fn one_address_has_so_many_open_at_most(store: Store) {
    let instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let television = television(&instance).await;
    let here = instance.at_address("2001:db8:1::1");
    for number in 0..20 {
        // The other half of a /64 is the same household, and another client is no other address.
        let address = format!("2001:db8:1:0:{number:x}::9");
        Device::of(&instance.at_address(&address), if number % 2 == 0 { CLI } else { &television }).await;
    }
    let refused = form(&here, BEGIN, &[("client_id", CLI)]).await.expect_problem(429, "rate_limited");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    Device::begun(&instance.at_address("2001:db8:2::1")).await;
    instance.advance(Duration::from_secs(600));
    Device::begun(&here).await;
}

async fn beginning_is_limited_per_address(store: Store) {
    let instance =
        Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").set("KEYSTEAD_LIMITS__DEVICE_REQUEST", "2/1h").start().await;
    let here = instance.at_address("203.0.113.7");
    Device::begun(&here).await;
    Device::begun(&here).await;
    form(&here, BEGIN, &[("client_id", CLI)]).await.expect_problem(429, "rate_limited");
    Device::begun(&instance.at_address("203.0.113.8")).await;
    // A client that proved itself is counted as itself: all its devices may come through one server.
    let root = admin(&instance).await;
    let hub = register(&root.api, json!({"name": "Hub", "grantTypes": [GRANT]})).await;
    for _ in 0..4 {
        form(&hub.basic(&here), BEGIN, &[]).await.expect(200);
    }
}

async fn what_has_expired_is_forgotten(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let device = Device::begun(&instance).await;
    device.decided(&ada, LOOKUP).await.expect(200);
    let now = instance.advance(Duration::from_secs(1_300));
    instance.running.app.housekeep(now).await;
    assert_eq!(instance.count("SELECT count(*) FROM oauth_device_requests", args![]).await, 0);
    expect_refusal(&device.poll(&instance).await, 400, "invalid_grant");
}

/// The page of the link: nothing inline, nothing from elsewhere, and no code from the address in its text.
async fn the_page_is_plain(store: Store) {
    let instance = Instance::start(store).await;
    let page = instance.get("/device?user_code=%3Cscript%3Ealert(1)%3C/script%3E").await.expect(200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!page.text.contains("alert(1)") && !page.text.contains("http:") && !page.text.contains("https:"), "{}", page.text);
    let scripts = ["/signing-in.js", "/device.js"];
    let tags: usize = scripts.iter().map(|path| page.text.matches(&format!("<script src=\"{path}\" defer></script>")).count()).sum();
    assert_eq!((page.text.matches("<script").count(), tags), (2, 2));
    for path in scripts {
        let script = instance.get(path).await.expect(200);
        assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert!(!script.text.contains("innerHTML") && !script.text.contains("eval("));
    }
    assert_eq!(instance.get("/device.css").await.expect(200).header("content-type"), Some("text/css; charset=utf-8"));
}

both_stores!(
    a_device_gets_two_codes,
    codes_stand_nowhere_in_the_clear,
    only_clients_with_the_grant_may_begin,
    one_address_has_so_many_open_at_most,
    beginning_is_limited_per_address,
    what_has_expired_is_forgotten,
    the_page_is_plain,
);
