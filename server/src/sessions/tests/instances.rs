use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use super::{PAST_THE_WINDOW, refresh, rows};
use crate::support::{Client, Instance, PASSWORD, SignedIn, Store, eventually};

const WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Within a second, whichever way the news travels.
async fn is_refused_within_a_second(api: &Client) {
    let began = std::time::Instant::now();
    eventually("the other instance to refuse it", async || (api.get("/api/v1/auth/me").await.status == 401).then_some(())).await;
    assert!(began.elapsed() < WITHIN, "it took {:?}", began.elapsed());
    api.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
}

async fn known_to(instance: &Instance, who: &SignedIn) -> Client {
    let api = Client::new(instance.base().to_owned()).with_token(&who.access_token);
    api.get("/api/v1/auth/me").await.expect(200);
    api
}

/// T3 across instances: fifty times the same token on both at once is one rotation and one successor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_rotate_once() {
    let one = Instance::start(Store::Postgres).await;
    let two = one.second().await;
    let mut token = one.signed_up("ada@example.com").await.refresh_token;
    for round in 1..=50_i64 {
        let (here, there) = tokio::join!(join_all((0..2).map(|_| refresh(&one, &token))), join_all((0..2).map(|_| refresh(&two, &token))));
        let mut successors: Vec<_> =
            here.into_iter().chain(there).map(|answer| answer.expect(200).str("/refreshToken").to_owned()).collect();
        successors.dedup();
        assert_eq!(successors.len(), 1, "round {round}");
        let generation: i64 = rows(&one, "SELECT generation FROM sessions").await[0].get(0).unwrap();
        assert_eq!(generation, round, "exactly one rotation");
        token = successors.remove(0);
    }
}

/// T6: whatever ends a session on one instance is heard on the other, at once by push.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_instance_refuses_what_was_ended() {
    let one = Instance::start(Store::Postgres).await;
    let two = one.second().await;
    let first = one.signed_up("ada@example.com").await;
    let second = one.signed_in("ada@example.com").await;
    let third = one.signed_in("ada@example.com").await;
    let (first_there, second_there, third_there) =
        (known_to(&two, &first).await, known_to(&two, &second).await, known_to(&two, &third).await);
    first.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    is_refused_within_a_second(&first_there).await;
    third.api.delete(&format!("/api/v1/sessions/{}", second.session_id())).await.expect(204);
    is_refused_within_a_second(&second_there).await;
    third.api.send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
    is_refused_within_a_second(&third_there).await;
}

/// Without any push (the other instance has no Redis at all) the poll brings it in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_poll_alone_brings_it_within_a_second() {
    let one = Instance::start(Store::Postgres).await;
    // A Redis of its own that nobody publishes to: another logical database does not hear, another server neither.
    let two = Instance::builder(Store::Postgres).second(&one).set("REDIS_URL", "redis://127.0.0.1:1").start().await;
    let ada = one.signed_up("ada@example.com").await;
    let there = known_to(&two, &ada).await;
    ada.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    is_refused_within_a_second(&there).await;
}

/// An instance that starts later knows what was ended before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_instance_knows_what_was_ended() {
    let one = Instance::start(Store::Postgres).await;
    let ada = one.signed_up("ada@example.com").await;
    ada.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    let two = one.second().await;
    two.with_token(&ada.access_token).get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
}

/// That the successor is in use was seen on one instance; the other believes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_saw_the_other_respects() {
    let one = Instance::start(Store::Postgres).await;
    let two = one.second().await;
    let ada = one.signed_up("ada@example.com").await;
    let next = refresh(&one, &ada.refresh_token).await.expect(200);
    one.with_token(next.str("/accessToken")).get("/api/v1/auth/me").await.expect(200);
    // The note travels beside the request; a moment later it is there.
    eventually("the note to arrive", async || {
        let id = ada.session_id().replace('-', "");
        two.running.app.ground.shared.get(&format!("seen:{id}")).await
    })
    .await;
    one.advance(PAST_THE_WINDOW);
    refresh(&two, &ada.refresh_token).await.expect_problem(401, "session_revoked");
    one.with_token(next.str("/accessToken")).get("/api/v1/auth/me").await.expect(401);
}

/// T8: every step of the whole flow on the other instance than the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_instance_answers_any_request() {
    let one = Instance::start(Store::Postgres).await;
    let two = one.second().await;
    let email = "ada@example.com";
    let signup = json!({"email": email, "name": "Ada", "password": PASSWORD});
    one.post("/api/v1/auth/signup", signup).await.expect(201);
    let code = two.mail_to(email).await.code();
    let verified = two.post("/api/v1/auth/verify-email", json!({"email": email, "code": code, "transport": "body"})).await.expect(200);
    let access = verified.str("/accessToken").to_owned();
    one.with_token(&access).get("/api/v1/auth/me").await.expect(200);
    let mut token = verified.str("/refreshToken").to_owned();
    for turn in 0..10 {
        let instance = if turn % 2 == 0 { &one } else { &two };
        let other = if turn % 2 == 0 { &two } else { &one };
        let answer = refresh(instance, &token).await.expect(200);
        token = answer.str("/refreshToken").to_owned();
        let api = other.with_token(answer.str("/accessToken"));
        api.get("/api/v1/auth/me").await.expect(200);
        api.get("/api/v1/auth/verify").await.expect(200);
        api.send(Method::POST, "/api/v1/auth/session/extend", None).await.expect(200);
    }
    let login = two.post("/api/v1/auth/login", json!({"email": email, "password": PASSWORD, "transport": "body"})).await.expect(200);
    let api = one.with_token(login.str("/accessToken"));
    let listed = api.get("/api/v1/sessions?limit=1").await.expect(200);
    let cursor = listed.str("/nextCursor").to_owned();
    two.with_token(login.str("/accessToken")).get(&format!("/api/v1/sessions?limit=1&cursor={cursor}")).await.expect(200);
    // A changed profile is seen on the other, too.
    api.patch("/api/v1/account", json!({"name": "Countess"})).await.expect(200);
    let there = two.with_token(login.str("/accessToken"));
    eventually("the new name on the other instance", async || {
        (there.get("/api/v1/auth/me").await.str("/user/name") == "Countess").then_some(())
    })
    .await;
    one.post("/api/v1/auth/password/forgot", json!({"email": email})).await.expect(202);
    let reset = one.mail_to(email).await;
    let reset = if reset.text.contains("?token=") { reset } else { one.mail_to(email).await };
    two.post("/api/v1/auth/password/reset", json!({"token": reset.token(), "password": "Short-Giraffe-Hums-43"})).await.expect(204);
    is_refused_within_a_second(&api).await;
    one.post("/api/v1/auth/login", json!({"email": email, "password": "Short-Giraffe-Hums-43"})).await.expect(200);
    let csrf_of = |answer: &crate::support::Answer| answer.str("/csrfToken").to_owned();
    let signed_in = two.post("/api/v1/auth/login", json!({"email": email, "password": "Short-Giraffe-Hums-43"})).await.expect(200);
    let cookie = signed_in.set_cookie("keystead_refresh").and_then(|line| line.split(';').next()).unwrap().to_owned();
    let browser = one.with("cookie", &cookie).with("x-csrf-token", &csrf_of(&signed_in));
    browser.send(Method::POST, "/api/v1/auth/refresh", None).await.expect(200);
}
