use axum::Router;
use axum::routing::get;
use std::time::Duration;

use keystead::config::Limits;
use keystead::error::{Code, Problem};
use keystead::http::{LimitHeaders, Limiter, Policy};
use keystead::shared::{Budget, Decision, Shared};
use keystead::time::Clock;

use super::{Bench, NOW, header};

const TWO_A_MINUTE: Budget = Budget { limit: 2, window: Duration::from_secs(60) };

fn limits(enabled: bool) -> Limits {
    let other = Budget { limit: 100, window: Duration::from_secs(60) };
    Limits {
        enabled,
        global: other,
        signed_in: other,
        api_user: other,
        login: TWO_A_MINUTE,
        signup: other,
        password_forgot: other,
        verify_resend: other,
        device_request: other,
        device_code: other,
        ticket: other,
        voice_session: other,
        voice_token: other,
        transcript: other,
    }
}

fn pairs(headers: LimitHeaders) -> Vec<(String, String)> {
    headers.into_iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

#[test]
fn headers_follow_the_draft() {
    let decision = Decision {
        allowed: true,
        limit: 10,
        remaining: 9,
        window: Duration::from_secs(300),
        reset_after: Duration::from_millis(29_001),
        retry_after: Duration::ZERO,
    };
    let login = LimitHeaders::new(Policy::Login, &decision);
    let both = login.clone().join(&LimitHeaders::new(Policy::Global, &decision));
    assert_eq!(
        pairs(login),
        [("ratelimit-policy".into(), "\"login\";q=10;w=300".into()), ("ratelimit".into(), "\"login\";r=9;t=30".into())]
    );
    assert_eq!(pairs(both)[1].1, "\"login\";r=9;t=30, \"global\";r=9;t=30");
}

#[test]
fn every_policy_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = Policy::ALL.iter().map(|policy| policy.name()).collect();
    assert_eq!(names.len(), Policy::ALL.len());
}

#[tokio::test]
async fn the_budget_runs_out_and_the_answer_says_when_to_come_back() {
    let limiter = Limiter::new(Shared::in_process(Clock::frozen(NOW)), limits(true));
    for _ in 0..2 {
        assert!(limiter.check(Policy::Login, b"ada", NOW).await.unwrap().is_some());
    }
    assert!(limiter.check(Policy::Login, b"bob", NOW).await.is_ok(), "another caller has a budget of its own");
    let refused = limiter.check(Policy::Login, b"ada", NOW).await.unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    assert_eq!(refused.detail, "Too many requests. Try again in 1 minute.");

    let bench = Bench::new(Router::new().route("/login", get(|| async move { Err::<(), Problem>(refused) })));
    let response = bench.get("/login").await;
    assert_eq!(response.status(), 429);
    assert!(header(&response, "retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(header(&response, "ratelimit-policy"), "\"login\";q=2;w=60");
    assert!(header(&response, "ratelimit").starts_with("\"login\";r=0;t="));
}

#[tokio::test]
async fn switched_off_means_off() {
    let limiter = Limiter::new(Shared::in_process(Clock::frozen(NOW)), limits(false));
    for _ in 0..5 {
        assert_eq!(limiter.check(Policy::Login, b"ada", NOW).await.unwrap(), None);
    }
}
