//! What somebody with a token, or without one, may try.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use keystead::args;
use serde_json::json;

use super::{ACCOUNT, ADMIN_FLAGS, TOKENS, root, token, wanted};
use crate::closed::{Guard, operations};
use crate::support::{Instance, Store, both_stores};

/// A token with every scope there is opens no route that is for the person alone: it makes no other token, changes no password,
/// ends no session, approves no device.
async fn a_token_opens_nothing_that_is_for_the_person_alone(store: Store) {
    let instance = Instance::start(store).await;
    let root = root(&instance).await;
    let all: Vec<_> = keystead::access::SCOPES.iter().chain(keystead::access::scope::PERSONAL).copied().collect();
    let made = token(&instance, &root, &all).await;
    let mut tried = 0;
    for operation in operations().into_iter().filter(|operation| matches!(operation.guard(), Ok(Guard::Person))) {
        for body in [None, Some(json!({}))] {
            let answer = made.api.send(operation.method.clone(), &operation.path(), body).await;
            assert_eq!(answer.status, 403, "{answer}");
            tried += 1;
        }
    }
    assert!(tried > 20);
    made.api.post(TOKENS, wanted(&["account:read"])).await.expect_problem(403, "insufficient_scope");
    let change = json!({"currentPassword": crate::support::PASSWORD, "newPassword": "Another-Giraffe-Sings-42"});
    made.api.post("/api/v1/auth/password/change", change).await.expect_problem(403, "insufficient_scope");
    made.api.patch(ACCOUNT, json!({"name": "Eve"})).await.expect_problem(403, "insufficient_scope");
    made.api.delete(&format!("{TOKENS}/{}", made.id)).await.expect_problem(403, "insufficient_scope");
    // It is no refresh token and no cookie either.
    let refresh = json!({"refreshToken": made.secret});
    instance.post("/api/v1/auth/refresh", refresh).await.expect_problem(401, "unauthenticated");
    root.api.get("/api/v1/auth/me").await.expect(200);
}

/// Nothing near a token is a token, and nothing made up is looked for in the store.
async fn guesses_are_refused_without_a_look(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = token(&instance, &ada, &["account:read"]).await;
    let bytes = URL_SAFE_NO_PAD.decode(&made.secret[4..]).unwrap();
    let mut guesses: Vec<String> = (0..bytes.len())
        .map(|at| {
            let mut near = bytes.clone();
            near[at] ^= 1;
            format!("ksp_{}", URL_SAFE_NO_PAD.encode(near))
        })
        .collect();
    guesses.extend(["ksp_", "ksp_x", "KSP_", "ksp_ä"].map(str::to_owned));
    guesses.extend([made.secret.to_uppercase(), format!("{}A", made.secret), made.secret[..57].to_owned(), format!("ksp_{}", made.id)]);
    guesses.push(format!("ksp_{}", "A".repeat(5_000)));
    // Where no table is, a look would end in an error.
    instance.change("ALTER TABLE personal_tokens RENAME TO away", vec![]).await;
    for guess in guesses.iter().filter(|guess| guess.is_ascii()) {
        instance.with_token(guess).get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    }
    instance.change("ALTER TABLE away RENAME TO personal_tokens", vec![]).await;
    made.api.get(ACCOUNT).await.expect(200);
}

/// Whoever reads the database finds no token in it, no name, and makes none of what they find.
async fn the_store_holds_no_secret(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = token(&instance, &ada, &["account:read"]).await;
    let rows = instance.rows("SELECT secret_hash, name FROM personal_tokens", vec![]).await;
    let (hash, name): (Vec<u8>, Vec<u8>) = (rows[0].get(0).unwrap(), rows[0].get(1).unwrap());
    let bytes = URL_SAFE_NO_PAD.decode(&made.secret[4..]).unwrap();
    assert!(hash.len() == 32 && !bytes.windows(32).any(|part| part == hash) && !hash.windows(8).any(|part| bytes[4..].starts_with(part)));
    assert!(!name.windows(6).any(|part| part == b"backup"));
    for found in [URL_SAFE_NO_PAD.encode(&hash), URL_SAFE_NO_PAD.encode([&bytes[..4], &hash[..], &bytes[36..]].concat())] {
        instance.with_token(&format!("ksp_{found}")).get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    }
}

/// A token of one person says nothing about another, whatever id is asked for.
async fn others_tokens_are_not_there(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let made = token(&instance, &ada, &["account:read"]).await;
    eve.api.delete(&format!("{TOKENS}/{}", made.id)).await.expect_problem(404, "not_found");
    assert_eq!(eve.api.get(TOKENS).await.expect(200).body["items"], json!([]));
    made.api.get(ACCOUNT).await.expect(200);
}

/// Of all who revoke one token at once, one does; and after the first answer nobody uses it any more.
async fn revoking_wins_over_using(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = token(&instance, &ada, &["account:read"]).await;
    let there = second.with_token(&made.secret);
    there.get(ACCOUNT).await.expect(200);
    let path = format!("{TOKENS}/{}", made.id);
    let (revoked, used) = futures_util::future::join(
        futures_util::future::join_all((0..8).map(|_| ada.api.delete(&path))),
        futures_util::future::join_all((0..24).map(|_| made.api.get(ACCOUNT))),
    )
    .await;
    assert_eq!(revoked.iter().filter(|answer| answer.status == 204).count(), 1);
    assert!(used.iter().all(|answer| matches!(answer.status, 200 | 401)));
    // Whatever was read into memory while it was being revoked.
    made.api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    crate::support::eventually("the other instance", async || (there.get(ACCOUNT).await.status == 401).then_some(())).await;
    // Not for a while only: not when memory has forgotten both the token and its end.
    for _ in 0..3 {
        instance.advance(Duration::from_secs(16 * 60));
        instance.running.app.tokens.poll().await.unwrap();
        second.running.app.tokens.poll().await.unwrap();
        made.api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
        there.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    }
}

/// When the push is lost, the poll brings the revocation.
async fn a_lost_push_is_caught_up(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = token(&instance, &ada, &["account:read"]).await;
    made.api.get(ACCOUNT).await.expect(200);
    let now = instance.clock.now().as_micros();
    instance.change("UPDATE personal_tokens SET revoked_at = $1", args![now]).await;
    crate::support::eventually("the poll", async || (made.api.get(ACCOUNT).await.status == 401).then_some(())).await;
}

/// A row that is moved to another person gives them nothing: what is known of it is read, not believed, and the token is one's
/// own account.
async fn a_token_is_worth_what_its_person_is(store: Store) {
    let instance = Instance::start(store).await;
    let root = root(&instance).await;
    let made = token(&instance, &root, &["flags:read", "flags:write", "account:read"]).await;
    instance.set_roles(&root, "nothing-of-the-kind").await;
    made.api.get(ADMIN_FLAGS).await.expect_problem(403, "insufficient_scope");
    made.api.send(Method::PUT, &format!("{ADMIN_FLAGS}/x"), Some(json!({}))).await.expect_problem(403, "insufficient_scope");
    made.api.get(ACCOUNT).await.expect(200);
}

/// A request that began with a session and ends without it makes no token that would outlive it.
async fn a_request_that_is_held_back_makes_no_token(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let end = async { drop(ada.api.post("/api/v1/auth/logout-all", json!({})).await.expect(204)) };
    let body = wanted(&["account:read"]).to_string();
    assert_eq!(ada.api.post_held_back(TOKENS, "application/json", &body, end).await, 401);
    assert_eq!(instance.count("SELECT count(*) FROM personal_tokens", vec![]).await, 0);
}

/// Whoever may change accounts does not reach the tokens of those who may do more.
async fn tokens_of_those_who_may_do_more_stay(store: Store) {
    let instance = Instance::start(store).await;
    let root = root(&instance).await;
    let made = token(&instance, &root, &["account:read"]).await;
    root.api.put("/api/v1/admin/roles/support", json!({"scopes": ["users:read", "users:write"]})).await.expect(200);
    let support = instance.signed_up("support@example.com").await;
    instance.set_roles(&support, "support").await;
    let path = format!("/api/v1/admin/users/{}/tokens/{}", root.id(), made.id);
    support.api.delete(&path).await.expect_problem(403, "forbidden");
    made.api.get(ACCOUNT).await.expect(200);
}

both_stores!(
    a_lost_push_is_caught_up,
    a_request_that_is_held_back_makes_no_token,
    a_token_is_worth_what_its_person_is,
    a_token_opens_nothing_that_is_for_the_person_alone,
    guesses_are_refused_without_a_look,
    others_tokens_are_not_there,
    revoking_wins_over_using,
    the_store_holds_no_secret,
    tokens_of_those_who_may_do_more_stay,
);
