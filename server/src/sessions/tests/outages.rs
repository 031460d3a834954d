use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use super::refresh;
use crate::support::{Client, Ground, Instance, PASSWORD, Proxy, Store, eventually};

/// An instance on PostgreSQL and Redis with a line to each that can be cut.
struct Cuttable {
    instance: Instance,
    database: Proxy,
    redis: Proxy,
}

impl Cuttable {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let ground = Arc::new(Ground::migrated(Store::Postgres).await);
        let redis_url = ground.redis_url().expect("PostgreSQL comes with Redis").to_owned();
        let (database, redis) = (Proxy::to(&ground.database_url()).await, Proxy::to(&redis_url).await);
        let mut builder = Instance::builder(Store::Postgres)
            .set("DATABASE_URL", database.url(&ground.database_url()))
            .set("REDIS_URL", redis.url(&redis_url))
            .set("KEYSTEAD_DATABASE__ACQUIRE_TIMEOUT", "1s")
            .set("KEYSTEAD_TOKENS__STALENESS", "2s");
        for (name, value) in settings {
            builder = builder.set(name, value);
        }
        Self { instance: builder.on(ground).start().await, database, redis }
    }

    /// One more instance on the same stores, with whole lines.
    async fn second(&self) -> Instance {
        Instance::builder(Store::Postgres).second(&self.instance).start().await
    }
}

async fn until(what: &str, api: &Client, path: &str, status: u16) {
    eventually(what, async || (api.get(path).await.status == status).then_some(())).await;
}

async fn until_shared(instance: &Instance, wanted: keystead::shared::Health) {
    eventually("the shared state to notice", async || (instance.running.app.ground.shared.health() == wanted).then_some(())).await;
}

/// Both lost: known tokens go on within the staleness, then nobody is let in on hearsay, until one is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_cannot_know_says_so() {
    let stand = Cuttable::start(&[]).await;
    let instance = &stand.instance;
    let ada = instance.signed_up("ada@example.com").await;
    ada.api.get("/api/v1/auth/me").await.expect(200);
    stand.redis.cut();
    stand.database.cut();
    let cut = Instant::now();
    let mut checks = 0;
    let refused = loop {
        let answer = ada.api.get("/api/v1/auth/me").await;
        match answer.status {
            200 => checks += 1,
            _ => break answer,
        }
        assert!(cut.elapsed() < Duration::from_millis(3500), "still 200 after {:?}", cut.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    // The last poll may have been half a second before the cut.
    assert!(cut.elapsed() > Duration::from_millis(1200) && checks > 20, "refused after {:?}, {checks} checks", cut.elapsed());
    refused.expect_problem(503, "unavailable");
    // From now on it is never 200, whoever asks and whatever for.
    let answers = join_all((0..50).map(|_| ada.api.get("/api/v1/auth/me"))).await;
    for answer in answers {
        assert!(answer.header("retry-after").is_some(), "{answer}");
        answer.expect_problem(503, "unavailable");
    }
    ada.api.get("/api/v1/auth/session").await.expect_problem(503, "unavailable");
    // A token that is none is known to be none.
    instance.with_token("garbage").get("/api/v1/auth/me").await.expect_problem(401, "unauthenticated");

    stand.database.mend();
    until("token checks with the database back", &ada.api, "/api/v1/auth/me", 200).await;
    refresh(instance, &ada.refresh_token).await.expect(200);
    stand.redis.mend();
    until_shared(instance, keystead::shared::Health::Connected).await;
}

/// The database alone: token checks go on, as pushes still come; what must be written is refused and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_database_is_unavailable_and_comes_back() {
    let stand = Cuttable::start(&[]).await;
    let instance = &stand.instance;
    let ada = instance.signed_up("ada@example.com").await;
    ada.api.get("/api/v1/auth/me").await.expect(200);
    until("readiness", instance, "/health/ready", 200).await;

    stand.database.cut();
    until("readiness to notice", instance, "/health/ready", 503).await;
    instance.get("/health/live").await.expect(200);
    let writes: [(&Client, &str, serde_json::Value); 6] = [
        (instance, "/api/v1/auth/refresh", json!({ "refreshToken": ada.refresh_token })),
        (instance, "/api/v1/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})),
        (instance, "/api/v1/auth/signup", json!({"email": "bob@example.com", "name": "Bob", "password": PASSWORD})),
        (instance, "/api/v1/auth/password/forgot", json!({"email": "ada@example.com"})),
        (&ada.api, "/api/v1/auth/logout-all", json!(null)),
        (&ada.api, "/api/v1/auth/session/extend", json!(null)),
    ];
    for (api, path, body) in writes {
        let answer = api.send(Method::POST, path, (!body.is_null()).then_some(body)).await;
        assert!(answer.header("retry-after").is_some(), "{answer}");
        answer.expect_problem(503, "unavailable");
    }
    ada.api.get("/api/v1/sessions").await.expect_problem(503, "unavailable");
    // Beyond the staleness: the pushes are alive, and nobody can end a session without the database.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2500) {
        ada.api.get("/api/v1/auth/me").await.expect(200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    stand.database.mend();
    until("readiness to come back", instance, "/health/ready", 200).await;
    refresh(instance, &ada.refresh_token).await.expect(200);
    instance.signed_in("ada@example.com").await;
    instance.signed_up("bob@example.com").await;
}

/// Whoever was changed last is found by every poll for changes, and is answered from memory all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_person_is_known_without_the_database() {
    let stand = Cuttable::start(&[]).await;
    let ada = stand.instance.signed_up("ada@example.com").await;
    ada.api.get("/api/v1/auth/me").await.expect(200);
    // Two rounds of the poll, during which nobody asks for her.
    let began = Instant::now();
    eventually("two polls", async || (began.elapsed() > Duration::from_millis(1200)).then_some(())).await;
    stand.database.cut();
    ada.api.get("/api/v1/auth/me").await.expect(200);
}

/// A database that says nothing any more, on connections that stay open, is as lost as one that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_database_is_noticed_and_comes_back() {
    let stand = Cuttable::start(&[("KEYSTEAD_SERVER__REQUEST_TIMEOUT", "2s")]).await;
    let instance = &stand.instance;
    let ada = instance.signed_up("ada@example.com").await;
    ada.api.get("/api/v1/auth/me").await.expect(200);
    stand.redis.cut();
    stand.database.silence();
    until("token checks to stop", &ada.api, "/api/v1/auth/me", 503).await;
    refresh(instance, &ada.refresh_token).await.expect_problem(503, "unavailable");
    until("readiness to notice", instance, "/health/ready", 503).await;
    // The connections that hung are gone for good, as after a failover.
    stand.database.cut();
    stand.database.mend();
    until("token checks to come back", &ada.api, "/api/v1/auth/me", 200).await;
    refresh(instance, &ada.refresh_token).await.expect(200);
}

/// Redis alone, in the middle of everything: nothing good is refused, nothing ended is accepted, and it heals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_redis_harms_nobody() {
    let stand = Cuttable::start(&[]).await;
    let one = &stand.instance;
    let two = stand.second().await;
    let ada = one.signed_up("ada@example.com").await;
    let gone = one.signed_in("ada@example.com").await;
    two.with_token(&gone.access_token).get("/api/v1/auth/me").await.expect(200);
    one.with_token(&gone.access_token).get("/api/v1/auth/me").await.expect(200);

    // Cut while requests are under way.
    let flood = async {
        let mut token = ada.refresh_token.clone();
        for turn in 0..60 {
            if turn == 20 {
                stand.redis.cut();
            }
            ada.api.get("/api/v1/auth/me").await.expect(200);
            let (login, next) = tokio::join!(one.signed_in("ada@example.com"), refresh(one, &token));
            login.api.get("/api/v1/auth/verify").await.expect(200);
            token = next.expect(200).str("/refreshToken").to_owned();
        }
    };
    flood.await;
    until_shared(one, keystead::shared::Health::Lost).await;
    until("readiness without Redis", one, "/health/ready", 200).await;

    // Ended on the other instance: no push can come, the poll does.
    two.with_token(&gone.access_token).send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    let began = Instant::now();
    until("the poll", &gone.api, "/api/v1/auth/me", 401).await;
    assert!(began.elapsed() < Duration::from_secs(1), "it took {:?}", began.elapsed());
    // Ended here: the other is told as soon as its poll comes round.
    let here = one.signed_in("ada@example.com").await;
    let there = two.with_token(&here.access_token);
    there.get("/api/v1/auth/me").await.expect(200);
    here.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    let began = Instant::now();
    until("the other's poll", &there, "/api/v1/auth/me", 401).await;
    assert!(began.elapsed() < Duration::from_secs(1), "it took {:?}", began.elapsed());

    stand.redis.mend();
    until_shared(one, keystead::shared::Health::Connected).await;
    let back = one.signed_in("ada@example.com").await;
    two.with_token(&back.access_token).get("/api/v1/auth/me").await.expect(200);
}

/// Limits hold on their own while Redis is away: a local budget, not none and not zero.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_counted_locally_without_redis() {
    let stand = Cuttable::start(&[("KEYSTEAD_LIMITS__LOGIN", "5/1h")]).await;
    let instance = &stand.instance;
    stand.redis.cut();
    until_shared(instance, keystead::shared::Health::Lost).await;
    let login = json!({"email": "nobody@example.com", "password": PASSWORD});
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(instance.post("/api/v1/auth/login", login.clone()).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 3, "{statuses:?}");
    assert_eq!(statuses[7], 429);
}
