use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use futures_util::StreamExt;
use http::{Method, Request};
use keystead::config::TrustedProxies;
use keystead::error::{Code, Problem};
use keystead::http::{Allowance, ClientIp, RequestId, UserId, Visit, body, fallback};
use uuid::Uuid;

use super::{Bench, header, json, settings, text};

const ADA: Uuid = Uuid::from_u128(0x0192_7000_0000_7000_8000_0000_0000_0001);

async fn swallow(body: Body) -> Result<String, Problem> {
    Ok(body::read(body).await?.len().to_string())
}

async fn whoami(visit: Visit) -> String {
    visit.set_user(ADA);
    visit.add_header("ratelimit".parse().unwrap(), "\"global\";r=1;t=2".parse().unwrap());
    format!("{} {}", visit.id().as_str(), visit.client().0)
}

fn router() -> Router {
    Router::new()
        .route("/api/v1/me", get(whoami))
        .route("/api/v1/things/{id}", get(|| async { "thing" }).delete(|| async { "gone" }))
        .route("/api/v1/login", post(|| async { (axum::Extension(UserId(ADA)), "in") }))
        .route("/body", post(swallow))
        .route("/import", post(swallow))
        .route("/panic", get(|| async { panic!("boom") as () }))
        .route("/broken", get(|| async { Problem::internal("disk \"a\" is full") }))
        .route("/slow", get(std::future::pending::<()>))
        .route("/number", get(|_: axum::extract::Query<std::collections::HashMap<String, u8>>| async {}))
        .route("/long", get(|| async { "word ".repeat(1000) }))
        .route("/cookie", get(|| async { (AppendHeaders([("set-cookie", "a=b"), ("set-cookie", "c=d")]), "word ".repeat(1000)) }))
        .route("/page", get(|| async { ([("content-security-policy", "default-src 'self'"), ("x-frame-options", "SAMEORIGIN")], "page") }))
        .route(
            "/oauth2/token",
            post(|| async { (http::StatusCode::BAD_REQUEST, axum::Json(serde_json::json!({"error": "invalid_grant"}))) }),
        )
        .route("/health/live", get(|| async { "live" }))
        .fallback(fallback::not_found)
        .method_not_allowed_fallback(fallback::method_not_allowed)
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

/// A body of unknown length, as chunked encoding brings it.
fn chunked(chunks: usize) -> Body {
    let chunks = (0..chunks).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 100])));
    Body::from_stream(futures_util::stream::iter(chunks))
}

#[tokio::test]
async fn the_request_id_is_kept_when_well_formed_and_made_when_not() {
    let bench = Bench::new(router());
    let ask = async |id: &str| {
        let response = bench.send(request(Method::GET, "/api/v1/me", &[("x-request-id", id)], Body::empty())).await;
        let answered = header(&response, "x-request-id").to_owned();
        assert!(text(response).await.starts_with(&answered), "the handler sees the same id");
        answered
    };
    let long = "x".repeat(128);
    for good in ["12345678", "a.B_c-9.", long.as_str()] {
        assert_eq!(ask(good).await, good);
    }
    let too_long = "x".repeat(129);
    let mut made = std::collections::BTreeSet::new();
    for bad in ["1234567", "", "with space", "quo\"te90", too_long.as_str(), "ünïcødé-id"] {
        let id: Uuid = ask(bad).await.parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        made.insert(id);
    }
    assert_eq!(made.len(), 6);
}

#[tokio::test]
async fn every_failure_is_a_problem_with_the_request_id() {
    let bench = Bench::new(router());
    let cases: &[(Request<Body>, u16, &str)] = &[
        (request(Method::GET, "/nowhere", &[], Body::empty()), 404, "not_found"),
        (request(Method::PUT, "/api/v1/things/1", &[], Body::empty()), 405, "method_not_allowed"),
        (request(Method::GET, "/broken", &[], Body::empty()), 500, "internal"),
        (request(Method::GET, "/panic", &[], Body::empty()), 500, "internal"),
        // The framework's own plain-text rejection.
        (request(Method::GET, "/number?a=x", &[], Body::empty()), 400, "invalid_request"),
        (request(Method::GET, "/%ff", &[], Body::empty()), 400, "invalid_request"),
        (request(Method::GET, "/a%00b", &[], Body::empty()), 400, "invalid_request"),
        (request(Method::GET, "/%zz", &[], Body::empty()), 400, "invalid_request"),
        (request(Method::GET, "/%C3%A4", &[], Body::empty()), 404, "not_found"),
        (request(Method::GET, &format!("/{}", "x".repeat(9000)), &[], Body::empty()), 400, "invalid_request"),
        (request(Method::GET, "/", &[("x-big", &"x".repeat(17_000))], Body::empty()), 431, "headers_too_large"),
    ];
    for (sent, status, code) in cases {
        let mut again = request(sent.method().clone(), &sent.uri().to_string(), &[], Body::empty());
        *again.headers_mut() = sent.headers().clone();
        let response = bench.send(again).await;
        assert_eq!(response.status(), *status, "{}", sent.uri().path());
        assert_eq!(header(&response, "content-type"), "application/problem+json");
        let (id, length) = (header(&response, "x-request-id").to_owned(), header(&response, "content-length").to_owned());
        let body = text(response).await;
        assert_eq!(length, body.len().to_string());
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["code"], &body["status"], &body["requestId"]), (&(*code).into(), &(*status).into(), &id.into()));
        assert!(!body.to_string().contains("disk") && !body.to_string().contains("boom"), "causes stay inside");
    }
}

#[tokio::test]
async fn a_wrong_method_learns_the_right_ones() {
    let response = Bench::new(router()).send(request(Method::PUT, "/api/v1/things/1", &[], Body::empty())).await;
    let mut allowed: Vec<_> = header(&response, "allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD"]);
}

#[tokio::test]
async fn errors_of_other_protocols_pass_as_they_are() {
    let response = Bench::new(router()).send(request(Method::POST, "/oauth2/token", &[], Body::empty())).await;
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(json(response).await, serde_json::json!({"error": "invalid_grant"}));
}

#[tokio::test]
async fn the_cause_is_in_the_log_under_the_same_id() {
    let bench = Bench::new(router());
    for (path, cause) in [("/broken", "disk \"a\" is full"), ("/panic", "panicked: boom")] {
        let response = bench.get(path).await;
        let id = header(&response, "x-request-id").to_owned();
        let lines = bench.lines();
        let failure = lines.iter().find(|line| line["level"] == "ERROR" && line["requestId"] == id.as_str()).unwrap();
        assert_eq!((&failure["cause"], &failure["code"], &failure["route"]), (&cause.into(), &"internal".into(), &path.into()));
    }
}

#[tokio::test]
async fn the_access_line_has_template_and_user_and_nothing_personal() {
    let bench = Bench::new(router());
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let sent = request(
        Method::GET,
        "/api/v1/things/secret-id?token=secret-query",
        &[("traceparent", trace), ("user-agent", "secret-agent")],
        Body::empty(),
    );
    bench.send(sent).await;
    bench.get("/api/v1/me").await;
    bench.send(request(Method::POST, "/api/v1/login", &[], Body::empty())).await;
    bench.get("/nowhere/secret-path").await;
    let lines = bench.lines();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["route"], "/api/v1/things/{id}");
    assert_eq!((&lines[0]["method"], &lines[0]["status"], &lines[0]["level"]), (&"GET".into(), &200.into(), &"INFO".into()));
    assert_eq!(lines[0]["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(lines[0]["timestamp"], "2026-11-21T10:00:00.000000Z");
    assert!(lines[0]["durationMs"].is_number() && lines[0]["userId"].is_null());
    assert_eq!(lines[1]["userId"], ADA.to_string(), "a guard left it in the visit");
    assert_eq!(lines[2]["userId"], ADA.to_string(), "a handler left it in the answer");
    assert_eq!(lines[3]["route"], "unmatched");
    assert!(!bench.captured.text().contains("secret") && !bench.captured.text().contains("192.0.2.7"));
}

#[tokio::test]
async fn requests_are_counted_by_template() {
    let bench = Bench::new(router());
    for id in 0..3 {
        bench.get(&format!("/api/v1/things/{id}")).await;
    }
    bench.send(request(Method::PUT, "/api/v1/things/1", &[], Body::empty())).await;
    bench.send(request(Method::from_bytes(b"BREW").unwrap(), "/pot", &[], Body::empty())).await;
    let mut out = String::new();
    bench.metrics.render(&mut out);
    for line in [
        "keystead_http_request_seconds_count{method=\"GET\",route=\"/api/v1/things/{id}\",status=\"200\"} 3",
        "keystead_http_request_seconds_bucket{method=\"GET\",route=\"/api/v1/things/{id}\",status=\"200\",le=\"+Inf\"} 3",
        "keystead_http_request_seconds_count{method=\"PUT\",route=\"/api/v1/things/{id}\",status=\"405\"} 1",
        "keystead_http_request_seconds_count{method=\"other\",route=\"unmatched\",status=\"404\"} 1",
        "# TYPE keystead_http_request_seconds histogram",
    ] {
        assert!(out.lines().any(|found| found == line), "{line}\n{out}");
    }
}

#[tokio::test]
async fn browsers_are_told_what_not_to_do() {
    let bench = Bench::new(router());
    let answer = bench.get("/api/v1/me").await;
    let expected = [
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cache-control", "no-store"),
        ("ratelimit", "\"global\";r=1;t=2"),
    ];
    for (name, value) in expected {
        assert_eq!(header(&answer, name), value, "{name}");
    }
    assert!(header(&answer, "permissions-policy").contains("camera=()"));
    let page = bench.get("/page").await;
    assert_eq!(header(&page, "content-security-policy"), "default-src 'self'", "a handler's own word stands");
    assert_eq!(header(&page, "x-frame-options"), "SAMEORIGIN");
    assert_eq!(header(&page, "cache-control"), "");
    let cookies = bench.get("/cookie").await;
    assert_eq!(cookies.headers().get_all("set-cookie").iter().count(), 2, "headers with several values survive");
    assert_eq!(header(&bench.get("/nowhere").await, "x-frame-options"), "DENY");
    let plain = Bench::with(router(), keystead::http::GateSettings { https: false, ..settings() });
    assert_eq!(header(&plain.get("/api/v1/me").await, "strict-transport-security"), "");
}

#[tokio::test]
async fn only_listed_origins_may_read() {
    let bench = Bench::new(router());
    let ask = |origin: &'static str| bench.send(request(Method::GET, "/api/v1/me", &[("origin", origin)], Body::empty()));
    let ours = ask("https://app.example.com").await;
    assert_eq!(header(&ours, "access-control-allow-origin"), "https://app.example.com");
    assert_eq!(header(&ours, "access-control-allow-credentials"), "true");
    assert!(header(&ours, "access-control-expose-headers").contains("x-request-id"));
    for foreign in ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com"] {
        let answer = ask(foreign).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), "", "{foreign}");
        assert_eq!(header(&answer, "access-control-allow-credentials"), "");
        assert_eq!(header(&answer, "vary"), "Origin");
    }
    let failed = bench.send(request(Method::GET, "/nowhere", &[("origin", "https://app.example.com")], Body::empty())).await;
    assert_eq!(header(&failed, "access-control-allow-origin"), "https://app.example.com", "a page may read its errors");
}

#[tokio::test]
async fn preflights_are_answered_at_the_gate() {
    let bench = Bench::new(router());
    let ask = |origin: &'static str| {
        bench.send(request(
            Method::OPTIONS,
            "/api/v1/things/1",
            &[("origin", origin), ("access-control-request-method", "DELETE")],
            Body::empty(),
        ))
    };
    let ours = ask("https://app.example.com").await;
    assert_eq!(ours.status(), 204);
    assert_eq!(header(&ours, "access-control-max-age"), "600");
    assert!(header(&ours, "access-control-allow-methods").contains("DELETE"));
    for name in [
        "authorization",
        "content-type",
        "x-csrf-token",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "if-range",
        "range",
        "last-event-id",
        "x-request-id",
    ] {
        assert!(header(&ours, "access-control-allow-headers").contains(name), "{name}");
    }
    let foreign = ask("https://evil.example").await;
    assert_eq!(header(&foreign, "access-control-allow-methods"), "");
    // Without the two headers it is an ordinary request.
    assert_eq!(bench.send(request(Method::OPTIONS, "/api/v1/things/1", &[], Body::empty())).await.status(), 405);
}

#[tokio::test]
async fn long_answers_are_compressed_and_short_or_secret_ones_are_not() {
    let bench = Bench::new(router());
    let ask = async |path: &str, accepted: &str| {
        let response = bench.send(request(Method::GET, path, &[("accept-encoding", accepted)], Body::empty())).await;
        header(&response, "content-encoding").to_owned()
    };
    assert_eq!(ask("/long", "gzip").await, "gzip");
    assert_eq!(ask("/long", "gzip, br").await, "br");
    assert_eq!(ask("/long", "identity").await, "");
    assert_eq!(ask("/long", "gzip;q=0").await, "");
    assert_eq!(ask("/api/v1/me", "gzip, br").await, "");
    assert_eq!(ask("/cookie", "gzip, br").await, "", "its length must not tell about the cookie");
    assert_eq!(bench.get("/long").await.into_body().size_hint_exact(), Some(5000));
}

trait ExactSize {
    fn size_hint_exact(&self) -> Option<u64>;
}

impl ExactSize for Body {
    fn size_hint_exact(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }
}

#[tokio::test]
async fn bodies_are_bounded_announced_or_not() {
    let import = Allowance { path: "/import", body_limit: 100_000, request_timeout: Duration::from_secs(60) };
    let bench = Bench::with(router(), keystead::http::GateSettings { allowances: vec![import], ..settings() });
    let announced = |path: &str, length: usize| request(Method::POST, path, &[("content-length", &length.to_string())], vec![b'x'; length]);
    assert_eq!(text(bench.send(announced("/body", 1000)).await).await, "1000");
    assert_eq!(json(bench.send(announced("/body", 1001)).await).await["code"], "payload_too_large");
    assert_eq!(text(bench.send(announced("/import", 1001)).await).await, "1001");
    assert_eq!(text(bench.send(request(Method::POST, "/body", &[], chunked(10))).await).await, "1000");
    assert_eq!(json(bench.send(request(Method::POST, "/body", &[], chunked(11))).await).await["code"], "payload_too_large");
    assert_eq!(text(bench.send(request(Method::POST, "/import", &[], chunked(11))).await).await, "1100");
}

#[tokio::test]
async fn whoever_is_too_slow_is_named() {
    let bench = Bench::with(router(), keystead::http::GateSettings { request_timeout: Duration::from_millis(20), ..settings() });
    let response = bench.get("/slow").await;
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "1"), "we were");
    let stalled = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>().boxed());
    let response = bench.send(request(Method::POST, "/body", &[], stalled)).await;
    assert_eq!(json(response).await["code"], Code::RequestTimeout.as_str(), "the client was");
}

#[tokio::test]
async fn too_many_at_once_are_shed_and_health_is_not() {
    let bench = Bench::with(router(), keystead::http::GateSettings { max_in_flight: 1, ..settings() });
    let mut slow = Box::pin(bench.get("/slow"));
    assert!(futures_util::poll!(&mut slow).is_pending());
    let shed = bench.get("/api/v1/me").await;
    assert_eq!((shed.status().as_u16(), header(&shed, "retry-after")), (503, "1"));
    assert_eq!(json(shed).await["code"], "overloaded");
    assert_eq!(bench.get("/health/live").await.status(), 200);
    let mut out = String::new();
    bench.metrics.render(&mut out);
    assert!(out.contains("keystead_http_shed_total 1"), "{out}");
    drop(slow);
    assert_eq!(bench.gate.in_flight(), 0, "a client that goes away gives its place back");
    assert_eq!(bench.get("/api/v1/me").await.status(), 200);
}

#[tokio::test]
async fn handlers_see_the_derived_address() {
    let show = |ip: ClientIp, id: RequestId| async move {
        (id.to_header().to_str().unwrap().len().to_string() + " " + &ip.0.to_string()).into_response()
    };
    let router = Router::new().route("/ip", get(show));
    let bench = Bench::with(router, keystead::http::GateSettings { trusted_proxies: TrustedProxies::Hops(1), ..settings() });
    let response = bench.send(request(Method::GET, "/ip", &[("x-forwarded-for", "1.1.1.1, 203.0.113.9")], Body::empty())).await;
    assert_eq!(text(response).await, "36 203.0.113.9");
}
