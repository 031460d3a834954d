//! Guessing the codes of others.

use serde_json::json;

use super::super::expect_refusal;
use super::{APPROVE, DENY, Device, LOOKUP, TOKEN};
use crate::support::{Instance, Store, both_stores};

/// Codes that somebody tries who knows the alphabet.
fn guess(number: usize) -> String {
    let alphabet = keystead::oauth::device::ALPHABET;
    (0..8).map(|place| char::from(alphabet[number / 20_usize.pow(place) % 20])).collect()
}

async fn a_person_guesses_in_vain(store: Store) {
    let instance =
        Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").set("KEYSTEAD_LIMITS__DEVICE_CODE", "10/15m").start().await;
    let eve = instance.signed_up("eve@example.com").await;
    let device = Device::begun(&instance).await;
    // From ever other addresses, on all three routes, many at once.
    let guesses = (0..40).map(|number| {
        let (api, path) = (eve.api.at_address(&format!("198.51.{number}.1")), [LOOKUP, APPROVE, DENY][number % 3]);
        tokio::spawn(async move { api.post(path, json!({"userCode": guess(number)})).await.status })
    });
    let mut answered = 0;
    for outcome in guesses.collect::<Vec<_>>() {
        let status = outcome.await.unwrap();
        assert!(status == 404 || status == 429, "{status}");
        answered += usize::from(status == 404);
    }
    // Exactly ten; where Redis does not answer in time, each instance has a budget of its own beside the shared one.
    assert!((10..=20).contains(&answered), "no guess more is compared than the budget has: {answered}");
    // The right code is worth nothing either then, and others are not in her way.
    let refused = eve.api.at_address("198.51.200.1").post(APPROVE, device.typed()).await.expect_problem(429, "rate_limited");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    let ada = instance.signed_up("ada@example.com").await;
    ada.api.at_address("203.0.113.7").post(APPROVE, device.typed()).await.expect(204);
}

async fn an_address_guesses_in_vain(store: Store) {
    let instance =
        Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").set("KEYSTEAD_LIMITS__DEVICE_CODE", "10/15m").start().await;
    let mut left = 10;
    for name in ["eve", "mallory", "trudy"] {
        let api = instance.signed_up(&format!("{name}@example.com")).await.api.at_address("198.51.100.9");
        for number in 0..4 {
            let answer = api.post(LOOKUP, json!({"userCode": guess(number)})).await;
            assert_eq!(answer.status, if left > 0 { 404 } else { 429 }, "{name} {number}\n{answer}");
            left -= i32::from(left > 0);
        }
    }
    assert_eq!(left, 0);
}

/// Devices of an office poll for minutes and take nothing from each other; whoever makes codes up does.
async fn polling_is_counted_where_it_belongs(store: Store) {
    let limits = Instance::builder(store).set("KEYSTEAD_LIMITS__GLOBAL", "12/1h").set("KEYSTEAD_OAUTH__DEVICE_INTERVAL", "0s");
    let instance = limits.start().await;
    let device = Device::begun(&instance).await;
    for _ in 0..30 {
        expect_refusal(&device.poll(&instance).await, 400, "authorization_pending");
    }
    let mut refused = false;
    for number in 0..30 {
        let made_up = Device { client: device.client.clone(), device_code: format!("made-up-{number}"), user_code: String::new() };
        let answer = made_up.poll(&instance).await;
        refused |= answer.status == 429;
        if !refused {
            expect_refusal(&answer, 400, "invalid_grant");
        }
    }
    assert!(refused, "made-up codes count against the address, on {TOKEN}");
    expect_refusal(&device.poll(&instance).await, 400, "authorization_pending");
}

both_stores!(a_person_guesses_in_vain, an_address_guesses_in_vain, polling_is_counted_where_it_belongs);
