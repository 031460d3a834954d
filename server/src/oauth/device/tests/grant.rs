//! The device at the token endpoint: what it hears while nobody has decided, and what it gets, once.

use std::time::Duration;

use serde_json::json;

use super::super::{admin, claims, expect_refusal, form, raw_form};
use super::{APPROVE, CLI, DENY, Device, GRANT, TOKEN, television};
use crate::support::{Instance, Store, both_stores};

const FIVE: Duration = Duration::from_secs(5);

async fn a_device_is_let_in(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let here = instance.with("user-agent", "Keystead-CLI/1.0 (Linux)");
    let device = Device::begun(&here).await;
    expect_refusal(&device.poll(&here).await, 400, "authorization_pending");
    device.decided(&ada, APPROVE).await.expect(204);
    // Approved is approved: it does not wait for its turn.
    let tokens = device.poll(&here).await.expect(200);
    assert_eq!((tokens.str("/token_type"), &tokens.body["expires_in"]), ("Bearer", &json!(900)));
    assert_eq!(tokens.header("cache-control"), Some("no-store"));
    let access = tokens.str("/access_token");
    let read = claims(access);
    assert_eq!((&read["sub"], &read["client_id"]), (&json!(ada.id()), &json!(CLI)));
    assert!(tokens.str("/refresh_token").starts_with("ksr_"));

    let api = instance.with_token(access);
    assert_eq!(api.get("/api/v1/auth/me").await.expect(200).str("/user/email"), "ada@example.com");
    let listed = ada.api.get("/api/v1/sessions").await.expect(200);
    assert_eq!((listed.str("/items/0/device"), listed.str("/items/0/id")), ("Keystead CLI on Linux", read["sid"].as_str().unwrap()));
    let letter = instance.mail_to("ada@example.com").await;
    assert!(letter.subject.contains("A device was signed in") && letter.text.contains("Keystead CLI on Linux"), "{}", letter.text);

    let events = instance.events().await;
    let started = events.iter().rfind(|event| event.action == "session.started").unwrap();
    assert!(started.actor.unwrap().to_string() == ada.id() && started.details.contains("\"method\":\"device\""), "{started:?}");
    // What was used is used.
    expect_refusal(&device.poll(&here).await, 400, "invalid_grant");
    api.get("/api/v1/auth/me").await.expect(200);
}

async fn tokens_go_on_by_refresh_and_end_by_revocation(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let device = Device::begun(&instance).await;
    device.decided(&ada, APPROVE).await.expect(204);
    let first = device.poll(&instance).await.expect(200);
    let refresh =
        |token: &str| [("grant_type", "refresh_token".to_owned()), ("client_id", CLI.to_owned()), ("refresh_token", token.to_owned())];
    let owned = refresh(first.str("/refresh_token"));
    let pairs: Vec<_> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let second = form(&instance, TOKEN, &pairs).await.expect(200);
    assert_ne!(second.str("/refresh_token"), first.str("/refresh_token"));
    let api = instance.with_token(second.str("/access_token"));
    api.get("/api/v1/auth/me").await.expect(200);
    form(&instance, "/oauth2/revoke", &[("client_id", CLI), ("token", second.str("/refresh_token"))]).await.expect(200);
    api.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
}

/// The command line may do what its person may; a client of somebody else what it was granted.
async fn what_a_device_may_do(store: Store) {
    let instance = Instance::start(store).await;
    let television = television(&instance).await;
    let root = instance.signed_in("root@example.com").await;
    let (cli, tv) = (Device::begun(&instance).await, Device::of(&instance, &television).await);
    cli.decided(&root, APPROVE).await.expect(204);
    tv.decided(&root, APPROVE).await.expect(204);
    let cli = cli.poll(&instance).await.expect(200);
    instance.with_token(cli.str("/access_token")).get("/api/v1/admin/audit").await.expect(200);
    let tv = tv.poll(&instance).await.expect(200);
    assert_eq!(tv.str("/scope"), "shows:watch");
    let api = instance.with_token(tv.str("/access_token"));
    api.get("/api/v1/admin/audit").await.expect_problem(403, "insufficient_scope");
    // Least of all does it let in other devices; the command line may.
    let next = Device::begun(&instance).await;
    for path in [super::LOOKUP, APPROVE, DENY] {
        api.post(path, next.typed()).await.expect_problem(403, "insufficient_scope");
    }
    instance.with_token(cli.str("/access_token")).post(APPROVE, next.typed()).await.expect(204);
}

async fn a_device_that_polls_too_fast_is_slowed_down(store: Store) {
    let instance = Instance::start(store).await;
    let other = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let device = Device::begun(&instance).await;
    expect_refusal(&device.poll(&instance).await, 400, "authorization_pending");
    expect_refusal(&device.poll(&other).await, 400, "slow_down");
    // Ten seconds now, and it is the last poll that counts, wherever it came.
    instance.advance(FIVE);
    expect_refusal(&device.poll(&instance).await, 400, "slow_down");
    // Fifteen.
    instance.advance(FIVE * 3);
    expect_refusal(&device.poll(&other).await, 400, "authorization_pending");
    instance.advance(FIVE * 3);
    expect_refusal(&device.poll(&instance).await, 400, "authorization_pending");
    instance.advance(FIVE * 2);
    expect_refusal(&device.poll(&other).await, 400, "slow_down");
    device.decided(&ada, APPROVE).await.expect(204);
    device.poll(&instance).await.expect(200);
}

async fn a_device_waits_in_vain(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (denied, late, approved) = (Device::begun(&instance).await, Device::begun(&instance).await, Device::begun(&instance).await);
    denied.decided(&ada, DENY).await.expect(204);
    approved.decided(&ada, APPROVE).await.expect(204);
    expect_refusal(&denied.poll(&instance).await, 400, "access_denied");
    instance.advance(Duration::from_secs(599));
    expect_refusal(&late.poll(&instance).await, 400, "authorization_pending");
    instance.advance(Duration::from_secs(1));
    expect_refusal(&late.poll(&instance).await, 400, "expired_token");
    expect_refusal(&approved.poll(&instance).await, 400, "expired_token");
    expect_refusal(&denied.poll(&instance).await, 400, "access_denied");
}

async fn a_code_is_for_its_client_alone(store: Store) {
    let instance = Instance::start(store).await;
    let television = television(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let device = Device::begun(&instance).await;
    device.decided(&ada, APPROVE).await.expect(204);
    let stolen = Device { client: television, device_code: device.device_code.clone(), user_code: String::new() };
    expect_refusal(&stolen.poll(&instance).await, 400, "invalid_grant");
    let first_party = Device { client: "keystead".into(), device_code: device.device_code.clone(), user_code: String::new() };
    expect_refusal(&first_party.poll(&instance).await, 400, "unauthorized_client");
    // The short code is nothing to poll with.
    let short = Device { client: CLI.into(), device_code: device.user_code.replace('-', ""), user_code: String::new() };
    expect_refusal(&short.poll(&instance).await, 400, "invalid_grant");
    expect_refusal(&form(&instance, TOKEN, &[("grant_type", GRANT), ("client_id", CLI)]).await, 400, "invalid_request");
    let elsewhere = [("grant_type", GRANT), ("client_id", CLI), ("device_code", &device.device_code), ("resource", "https://api.example")];
    expect_refusal(&form(&instance, TOKEN, &elsewhere).await, 400, "invalid_target");
    let twice = format!("grant_type={GRANT}&client_id={CLI}&device_code=a&device_code=b");
    expect_refusal(&raw_form(&instance, TOKEN, &twice).await, 400, "invalid_request");
    device.poll(&instance).await.expect(200);
}

async fn of_many_polls_one_gets_the_session(store: Store) {
    let instance = Instance::start(store).await;
    let other = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    for round in 1..=3 {
        let device = Device::begun(&instance).await;
        device.decided(&ada, APPROVE).await.expect(204);
        let polls = (0..16).map(|number| {
            let api = if number % 2 == 0 { (*instance).clone() } else { (*other).clone() };
            let device = Device { client: device.client.clone(), device_code: device.device_code.clone(), user_code: String::new() };
            tokio::spawn(async move { device.poll(&api).await })
        });
        let mut winners = 0;
        for poll in polls.collect::<Vec<_>>() {
            let answer = poll.await.unwrap();
            match answer.status {
                200 => winners += 1,
                _ => expect_refusal(&answer, 400, "invalid_grant"),
            }
        }
        assert_eq!(winners, 1);
        let open = ada.api.get("/api/v1/sessions").await.expect(200);
        assert_eq!(open.body["items"].as_array().unwrap().len(), 1 + round);
    }
}

/// An approval is worth as much as the session it was given in, and as the account.
async fn an_approval_ends_with_what_it_was_given_in(store: Store) {
    let instance = Instance::start(store).await;
    admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let thief = instance.signed_in("ada@example.com").await;
    let device = Device::begun(&instance).await;
    device.decided(&thief, APPROVE).await.expect(204);
    ada.api.delete(&format!("/api/v1/sessions/{}", thief.session_id())).await.expect(204);
    expect_refusal(&device.poll(&instance).await, 400, "invalid_grant");

    let thief = instance.signed_in("ada@example.com").await;
    let device = Device::begun(&instance).await;
    device.decided(&thief, APPROVE).await.expect(204);
    let change = json!({"currentPassword": crate::support::PASSWORD, "newPassword": "Short-Zebra-Dances-77"});
    ada.api.post("/api/v1/auth/password/change", change).await.expect(204);
    expect_refusal(&device.poll(&instance).await, 400, "invalid_grant");
    let count = instance.count("SELECT count(*) FROM sessions WHERE client_id = 'keystead-cli'", Vec::new()).await;
    assert_eq!(count, 0);
}

async fn nobody_is_let_in_by_a_closed_account(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let device = Device::begun(&instance).await;
    device.decided(&ada, APPROVE).await.expect(204);
    instance.change("UPDATE users SET status = 'suspended'", Vec::new()).await;
    expect_refusal(&device.poll(&instance).await, 400, "access_denied");
}

both_stores!(
    a_device_is_let_in,
    tokens_go_on_by_refresh_and_end_by_revocation,
    what_a_device_may_do,
    a_device_that_polls_too_fast_is_slowed_down,
    a_device_waits_in_vain,
    a_code_is_for_its_client_alone,
    of_many_polls_one_gets_the_session,
    an_approval_ends_with_what_it_was_given_in,
    nobody_is_let_in_by_a_closed_account,
);
