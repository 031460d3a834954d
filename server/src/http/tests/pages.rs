use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use keystead::http::{deprecated, docs, landing};
use keystead::time::Timestamp;

use super::{Bench, header, text};
use crate::support::{Instance, Store};

#[tokio::test]
async fn the_reference_needs_no_other_host_and_no_inline_script() {
    let bench = Bench::new(docs::router("{\"openapi\":\"3.1.0\"}".to_owned()));
    let page = bench.get("/api/docs").await;
    let policy = header(&page, "content-security-policy").to_owned();
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe-eval"), "{policy}");
    let page = text(page).await;
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    for script in page.split("<script").skip(1) {
        assert!(script.starts_with(" src=\"/api/docs/") && script.contains("></script>"), "{script}");
    }
    let start = bench.get("/api/docs/start.js").await;
    assert_eq!(header(&start, "content-type"), "text/javascript; charset=utf-8");
    assert!(text(start).await.contains("withDefaultFonts: false"));
}

#[tokio::test]
async fn the_script_comes_compressed_to_whom_it_may() {
    let bench = Bench::new(docs::router(String::new()));
    let script = |accepted: &str| Request::get("/api/docs/scalar.js").header("accept-encoding", accepted).body(Body::empty()).unwrap();
    let zipped = bench.send(script("gzip, br")).await;
    assert_eq!(header(&zipped, "content-encoding"), "gzip");
    assert!(header(&zipped, "content-length").parse::<usize>().unwrap() < 2_000_000);
    let plain = bench.send(script("identity")).await;
    assert_eq!(header(&plain, "content-encoding"), "");
    assert!(header(&plain, "content-length").parse::<usize>().unwrap() > 2_000_000);
}

#[tokio::test]
async fn the_document_has_a_tag() {
    let bench = Bench::new(docs::router("{\"openapi\":\"3.1.0\"}".to_owned()));
    let first = bench.get("/api/openapi.json").await;
    assert_eq!(header(&first, "content-type"), "application/json");
    let tag = header(&first, "etag").to_owned();
    assert_eq!(text(first).await, "{\"openapi\":\"3.1.0\"}");
    let again = |tag: &str| Request::get("/api/openapi.json").header("if-none-match", tag).body(Body::empty()).unwrap();
    for same in [tag.as_str(), &format!("W/{tag}"), &format!("\"x\", {tag}"), "*"] {
        assert_eq!(bench.send(again(same)).await.status(), 304, "{same}");
    }
    assert_eq!(bench.send(again("\"other\"")).await.status(), 200);
}

#[tokio::test]
async fn the_mailbox_is_linked_where_there_is_one() {
    for mailbox in [true, false] {
        let page = text(Bench::new(landing::router(mailbox)).get("/").await).await;
        assert_eq!(page.contains("/dev/mailbox"), mailbox);
        assert!(page.contains(env!("CARGO_PKG_VERSION")) && !page.contains("{{"));
    }
    for smtp in [None, Some("smtp://127.0.0.1:1")] {
        let instance = Instance::builder(Store::Sqlite).set("SMTP_URL", smtp.unwrap_or_default()).start().await;
        assert_eq!(instance.get("/").await.expect(200).text.contains("/dev/mailbox"), smtp.is_none());
    }
    assert_eq!(header(&Bench::new(landing::router(true)).get("/landing.css").await, "content-type"), "text/css; charset=utf-8");
}

#[tokio::test]
async fn a_route_that_goes_away_says_so() {
    let since = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
    let sunset = Timestamp::parse_rfc3339("2026-12-31T23:59:59Z").unwrap();
    let old = Router::new().route("/api/v0/me", get(|| async { "me" })).route_layer(deprecated(since, sunset, "https://keystead.dev/v0"));
    let bench = Bench::new(old.merge(Router::new().route("/api/v1/me", get(|| async { "me" }))));
    let response = bench.get("/api/v0/me").await;
    assert_eq!(header(&response, "deprecation"), "@1767225600");
    assert_eq!(header(&response, "sunset"), "Thu, 31 Dec 2026 23:59:59 GMT");
    assert_eq!(header(&response, "link"), "<https://keystead.dev/v0>; rel=\"deprecation\"; type=\"text/html\"");
    assert_eq!(header(&bench.get("/api/v1/me").await, "deprecation"), "");
}
