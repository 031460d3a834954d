//! Every configured limit, over HTTP, to the request.

use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, Client, Instance, PASSWORD, Store, both_stores};

/// Window of the limits here: longer than any test runs.
const WINDOW: u64 = 600;

/// A limit with a route on which it shows; `number` makes each request another person's.
#[derive(Clone, Copy)]
struct Case {
    setting: &'static str,
    policy: &'static str,
    path: &'static str,
    status: u16,
}

const CASES: [Case; 5] = [
    Case { setting: "LOGIN", policy: "login", path: "/api/v1/auth/login", status: 401 },
    Case { setting: "SIGNUP", policy: "signup", path: "/api/v1/auth/signup", status: 201 },
    Case { setting: "PASSWORD_FORGOT", policy: "password_forgot", path: "/api/v1/auth/password/forgot", status: 202 },
    Case { setting: "VERIFY_RESEND", policy: "verify_resend", path: "/api/v1/auth/verify-email/resend", status: 202 },
    Case { setting: "GLOBAL", policy: "global", path: "/api/v1/auth/password/reset", status: 422 },
];

impl Case {
    async fn ask(self, api: &Client, email: &str) -> Answer {
        let body = match self.policy {
            "login" => json!({"email": email, "password": "Wrong-Ostrich-Shouts-13"}),
            "signup" => json!({"email": email, "name": "P", "password": PASSWORD}),
            "global" => json!({}),
            _ => json!({"email": email}),
        };
        api.post(self.path, body).await
    }

    async fn allowed(self, api: &Client, email: &str) -> Answer {
        self.ask(api, email).await.expect(self.status)
    }

    async fn refused(self, api: &Client, email: &str) -> Answer {
        let answer = self.ask(api, email).await.expect_problem(429, "rate_limited");
        let wait: u64 = answer.header("retry-after").and_then(|wait| wait.parse().ok()).unwrap_or_else(|| panic!("{answer}"));
        assert!((1..=WINDOW).contains(&wait), "{answer}");
        let state = answer.header("ratelimit").unwrap_or_default();
        assert!(state.contains(&format!("\"{}\";r=0;t=", self.policy)), "{answer}");
        answer
    }
}

fn person(number: u32) -> String {
    format!("p{number}@example.com")
}

async fn with_limit(store: Store, case: Case, limit: u32) -> Instance {
    let limit = format!("{limit}/{WINDOW}s");
    let instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32");
    instance.set(&format!("KEYSTEAD_LIMITS__{}", case.setting), limit).start().await
}

async fn each_limit_allows_exactly_its_number(store: Store) {
    let mut limit = 2;
    let mut instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32");
    for case in CASES.iter().filter(|case| case.policy != "global") {
        limit += 1;
        instance = instance.set(&format!("KEYSTEAD_LIMITS__{}", case.setting), format!("{limit}/{WINDOW}s"));
    }
    let instance = instance.start().await;
    let mut limit = 2;
    for case in CASES.into_iter().filter(|case| case.policy != "global") {
        limit += 1;
        for number in 0..limit {
            let answer = case.allowed(&instance, &person(number)).await;
            let policy = answer.header("ratelimit-policy").unwrap_or_default();
            assert!(policy.contains(&format!("\"{}\";q={limit};w={WINDOW}", case.policy)), "{answer}");
            let state = answer.header("ratelimit").unwrap_or_default();
            assert!(state.contains(&format!("\"{}\";r={};t=", case.policy, limit - number - 1)), "{answer}");
        }
        case.refused(&instance, &person(limit)).await;
        case.refused(&instance, &person(limit)).await;
        case.allowed(&instance.at_address("203.0.113.9"), &person(limit)).await;
    }
    instance.advance(Duration::from_secs(WINDOW + 60));
    for case in CASES.into_iter().filter(|case| case.policy != "global") {
        case.allowed(&instance, &person(100)).await;
    }
}

async fn callers_not_signed_in_share_one_budget_over_all_routes(store: Store) {
    let global = CASES[4];
    let instance = with_limit(store, global, 4).await;
    global.allowed(&instance, "").await;
    CASES[0].allowed(&instance, &person(1)).await;
    instance.get("/api/v1/auth/session").await.expect(200);
    instance.get("/api/v1/auth/me").await.expect_problem(401, "unauthenticated");
    global.refused(&instance, "").await;
    instance.get("/api/v1/auth/me").await.expect_problem(429, "rate_limited");
    instance.with_token("made-up").get("/api/v1/auth/me").await.expect_problem(429, "rate_limited");
    instance.get("/health/ready").await.expect(200);
    instance.get("/api/docs").await.expect(200);
}

async fn signed_in_callers_have_a_budget_of_their_own(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__SIGNED_IN", format!("5/{WINDOW}s")).start().await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let second = instance.signed_in("ada@example.com").await;
    for number in 0..5 {
        let api = if number % 2 == 0 { &ada.api } else { &second.api };
        let answer = api.get("/api/v1/auth/me").await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"signed_in\";q=5;w=600"));
    }
    let refused = second.api.get("/api/v1/auth/verify").await.expect_problem(429, "rate_limited");
    assert!(refused.header("retry-after").is_some());
    bob.api.get("/api/v1/auth/me").await.expect(200);
}

async fn mail_to_one_account_is_limited_from_wherever_it_is_asked_for(store: Store) {
    for case in [CASES[2], CASES[3]] {
        let instance = with_limit(store, case, 2).await;
        case.allowed(&instance.at_address("203.0.113.1"), "ada@example.com").await;
        case.allowed(&instance.at_address("203.0.113.2"), "ADA@example.com").await;
        case.refused(&instance.at_address("203.0.113.3"), "ada@example.com").await;
        case.allowed(&instance.at_address("203.0.113.4"), "bob@example.com").await;
    }
}

async fn nobody_forges_an_address(store: Store) {
    let login = CASES[0];
    // Nobody is trusted: the header is noise.
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__LOGIN", "2/10m").start().await;
    login.allowed(&instance.at_address("203.0.113.1"), &person(1)).await;
    login.allowed(&instance.at_address("203.0.113.2"), &person(2)).await;
    login.refused(&instance.at_address("203.0.113.3"), &person(3)).await;
    // The proxy is trusted: what it appended counts, and not what the client wrote to the left of it.
    let instance = with_limit(store, login, 2).await;
    login.allowed(&instance.at_address("198.51.100.1, 203.0.113.1"), &person(1)).await;
    login.allowed(&instance.at_address("198.51.100.2, 203.0.113.1"), &person(2)).await;
    login.refused(&instance.at_address("198.51.100.3, 203.0.113.1"), &person(3)).await;
    login.refused(&instance.at_address("203.0.113.1").with("forwarded", "for=198.51.100.4"), &person(4)).await;
    login.allowed(&instance.at_address("203.0.113.1, 203.0.113.2"), &person(5)).await;
}

async fn a_household_has_one_ipv6_budget(store: Store) {
    let login = CASES[0];
    let instance = with_limit(store, login, 2).await;
    login.allowed(&instance.at_address("2001:db8:1:2::1"), &person(1)).await;
    login.allowed(&instance.at_address("2001:db8:1:2:ffff:ffff:ffff:9"), &person(2)).await;
    login.refused(&instance.at_address("2001:db8:1:2:abcd::"), &person(3)).await;
    login.allowed(&instance.at_address("2001:db8:1:3::1"), &person(4)).await;
    // The same address written in two ways.
    login.allowed(&instance.at_address("203.0.113.1"), &person(5)).await;
    login.allowed(&instance.at_address("::ffff:203.0.113.1"), &person(6)).await;
    login.refused(&instance.at_address("203.0.113.1"), &person(7)).await;
}

async fn switched_off_limits_nobody(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__ENABLED", false).set("KEYSTEAD_LIMITS__LOGIN", "1/10m").start().await;
    for number in 0..5 {
        let answer = CASES[0].allowed(&instance, &person(number)).await;
        assert!(answer.header("ratelimit").is_none() && answer.header("ratelimit-policy").is_none(), "{answer}");
    }
}

both_stores!(
    each_limit_allows_exactly_its_number,
    callers_not_signed_in_share_one_budget_over_all_routes,
    signed_in_callers_have_a_budget_of_their_own,
    mail_to_one_account_is_limited_from_wherever_it_is_asked_for,
    nobody_forges_an_address,
    a_household_has_one_ipv6_budget,
    switched_off_limits_nobody,
);

/// Only on PostgreSQL with Redis may a second instance run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_share_every_budget() {
    let login = CASES[0];
    let one = with_limit(Store::Postgres, login, 5).await;
    let two = one.second().await;
    for number in 0..5 {
        login.allowed(if number % 2 == 0 { &one } else { &two }, &person(number)).await;
    }
    login.refused(&one, &person(6)).await;
    login.refused(&two, &person(7)).await;
    let asked = (0..40).map(|number| {
        let api = if number % 2 == 0 { &one } else { &two }.at_address("203.0.113.200");
        async move { login.ask(&api, &person(100 + number)).await.status }
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 5, "at once, too: {answers:?}");
}
