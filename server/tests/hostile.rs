//! Hostile requests on every operation of the API reference, against the real binary. Whatever is sent, the answer is
//! a clean refusal (or, where a payload happens to be a lawful value, a clean answer), never a 5xx and never a panic,
//! and the server answers the next request. The table is driven by the document: a new route is tested by being there.

use std::sync::Arc;

use keystead::db::Sql;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::closed::{Operation, operations};
use crate::support::{Answer, Client, Ground, PASSWORD, Process, Store, database, eventually};

/// Strings that have broken programs before.
const PAYLOADS: &[&str] = &[
    "' OR '1'='1' --",
    "'; DROP TABLE users; --",
    "\" UNION SELECT password_hash FROM users --",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "../../../../etc/passwd",
    "a\u{0}b",
    "\u{0}",
    "\u{feff}\u{202e}\u{200b}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "\r\nSet-Cookie: a=b",
    "ada@example.com\nBcc: eve@example.com",
    "%00%ff%0d%0a",
    "",
    " ",
];

/// The schema with its references followed.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(target) = schema["$ref"].as_str() {
        return resolved(document, document.pointer(target.trim_start_matches('#')).expect("a schema of the document"));
    }
    let choices = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    choices.and_then(|all| all.iter().find(|one| one["type"] != "null")).map_or(schema, |one| resolved(document, one))
}

/// A body with every member of its schema: strings, numbers and the rest as its types say.
fn sample(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    let kind = schema["type"].as_str().or_else(|| schema["type"].as_array()?.iter().filter_map(Value::as_str).find(|kind| *kind != "null"));
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
        return first.clone();
    }
    match kind {
        Some("object") => {
            let members = schema["properties"].as_object().cloned().unwrap_or_default();
            Value::Object(members.iter().map(|(name, schema)| (name.clone(), sample(document, schema))).collect())
        }
        Some("array") => json!([sample(document, &schema["items"])]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => schema.get("example").or_else(|| schema["examples"].get(0)).cloned().unwrap_or_else(|| json!("x")),
    }
}

fn body_of(operation: &Operation) -> Option<Value> {
    let document = serde_json::to_value(keystead::app::openapi()).expect("the document is JSON");
    let schema = operation.described.pointer("/requestBody/content/application~1json/schema")?;
    Some(sample(&document, schema))
}

/// JSON pointers to everything below `value` that `wanted` takes.
fn leaves(value: &Value, at: &str, wanted: fn(&Value) -> bool, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, inner)| leaves(inner, &format!("{at}/{name}"), wanted, found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, inner)| leaves(inner, &format!("{at}/{index}"), wanted, found)),
        leaf if wanted(leaf) => found.push(at.to_owned()),
        _ => {}
    }
}

/// Bodies that no operation takes, and what each is.
fn broken_bodies() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let deep = |open: &str, close: &str| [open.repeat(10_000), close.repeat(10_000)].concat().into_bytes();
    let mut invalid = br#"{"email": "a"#.to_vec();
    invalid.extend([0xff, 0xfe, 0xc0, 0x80]);
    invalid.extend(br#"", "password": "x"}"#);
    vec![
        ("not JSON", "application/json", b"hello".to_vec()),
        ("half of an object", "application/json", br#"{"email": "#.to_vec()),
        ("two objects", "application/json", b"{} {}".to_vec()),
        ("an array", "application/json", b"[]".to_vec()),
        ("an array of objects", "application/json", b"[{}]".to_vec()),
        ("a string", "application/json", br#""x""#.to_vec()),
        ("a number", "application/json", b"1e999".to_vec()),
        ("true", "application/json", b"true".to_vec()),
        ("deep arrays", "application/json", deep("[", "]")),
        ("deep objects", "application/json", deep("{\"a\":", "}")),
        ("deep in a member", "application/json", [br#"{"email":"#.to_vec(), deep("[", "]"), b"}".to_vec()].concat()),
        ("invalid UTF-8", "application/json", invalid),
        ("a NUL", "application/json", b"{\"email\": \"a\0b\"}".to_vec()),
        ("a byte order mark", "application/json", b"\xef\xbb\xbf{}".to_vec()),
        ("an unknown member", "application/json", br#"{"admin": true}"#.to_vec()),
        ("prototype pollution", "application/json", br#"{"__proto__": {"admin": true}}"#.to_vec()),
        ("a lone surrogate", "application/json", br#"{"email": "\ud800"}"#.to_vec()),
        (
            "a member twice",
            "application/json",
            br#"{"email": "a", "email": "b", "refreshToken": "a", "refreshToken": "b", "name": "a", "name": "b"}"#.to_vec(),
        ),
        ("a form", "application/x-www-form-urlencoded", b"email=a&password=b".to_vec()),
        ("text", "text/plain", b"{}x".to_vec()),
        ("a content type that is none", "nonsense", b"{\"a\":1}".to_vec()),
        ("XML", "application/xml", b"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>".to_vec()),
    ]
}

fn clean(what: &str, answer: &Answer) {
    assert!(answer.status < 500, "{what}\n{answer}");
    if answer.status >= 400 {
        // Protocols that others wrote have errors of their own; what the gates refuse is a problem there, too.
        let foreign = [" /ofrep/", " /oauth2/"].iter().any(|protocol| answer.asked.contains(protocol));
        let kind = answer.header("content-type").unwrap_or("none");
        assert!(kind == "application/problem+json" || (foreign && kind == "application/json"), "{what}\n{answer}");
    }
}

fn refused(what: &str, answer: &Answer) {
    clean(what, answer);
    assert!((400..500).contains(&answer.status), "{what}\n{answer}");
}

/// A server with an administrator signed in, before whom no scope stands, and who is asked again whenever a batch of hostility is over.
struct Target {
    process: Process,
    known: Client,
}

impl Target {
    async fn start(store: Store) -> Self {
        let ground = Arc::new(Ground::migrated(store).await);
        let process = Process::spawn(Arc::clone(&ground), &[("KEYSTEAD_ACCOUNTS__REQUIRE_VERIFIED_EMAIL", "false")]).await;
        let request = json!({"email": "ada@example.com", "name": "Ada", "password": PASSWORD, "transport": "body"});
        let answer = process.api.post("/api/v1/auth/signup", request).await.expect(201);
        let known = process.api.with_token(answer.str("/accessToken"));
        let promote = "UPDATE users SET roles = 'admin', updated_at = updated_at + 1, version = version + 1";
        let db = database(&ground, keystead::db::Store::Main);
        db.write_one(Sql { sqlite: promote, postgres: promote }, Vec::new()).await.expect("the person is made an administrator");
        db.close().await;
        eventually("an administrator", async || (known.get("/api/v1/admin/audit").await.status == 200).then_some(())).await;
        Self { process, known }
    }

    /// Operations that end the session are asked by nobody: their closedness is another test's matter.
    fn caller(&self, operation: &Operation) -> &Client {
        let ends = matches!(operation.template.as_str(), "/api/v1/auth/logout" | "/api/v1/auth/logout-all");
        if ends { &self.process.api } else { &self.known }
    }

    async fn still_answers(&self, after: &str) {
        let answer = self.known.get("/api/v1/auth/me").await;
        assert_eq!(answer.status, 200, "after {after}\n{answer}");
        let log = self.process.log();
        assert!(!log.contains("panicked"), "after {after}\n{log}");
    }
}

async fn bodies(store: Store) {
    let target = Target::start(store).await;
    let address = target.process.api.base().trim_start_matches("http://").to_owned();
    for operation in operations().iter().filter(|operation| operation.described.get("requestBody").is_some()) {
        let (name, path, api) = (operation.name(), operation.path(), target.caller(operation));
        for (what, kind, bytes) in broken_bodies() {
            let answer = api.send_bytes(operation.method.clone(), &path, kind, bytes).await;
            // Whatever form is brought to the exit, the person is asked whether they want to leave.
            if operation.template == "/oauth2/logout" && what == "a form" {
                clean(&format!("{name}: {what}"), &answer);
                continue;
            }
            refused(&format!("{name}: {what}"), &answer);
        }
        // By hand, because it is refused and the connection closed while a client library would still be writing.
        let head = format!(
            "{} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            operation.method,
            2 << 20
        );
        let status = exchange(&address, "2 MB", &[head.as_bytes(), &vec![b' '; 2 << 20]].concat()).await;
        // What takes a stream has another bound, and refuses nobody's before it reads any of it.
        let streams = operation.described["requestBody"]["content"].get("application/x-ndjson").is_some();
        let expected = if streams { 401 } else { 413 };
        assert!(status.is_none_or(|status| status == expected), "{name}: 2 MB were answered {status:?}");
        target.still_answers(&name).await;
    }
}

async fn members(store: Store) {
    let target = Target::start(store).await;
    let huge = "A".repeat(500_000);
    for operation in operations() {
        let (name, path) = (operation.name(), operation.path());
        let Some(body) = body_of(&operation) else { continue };
        let mut found = Vec::new();
        leaves(&body, "", Value::is_string, &mut found);
        if found.is_empty() {
            leaves(&body, "", Value::is_number, &mut found);
        }
        for pointer in found {
            let others = [json!(null), json!(7), json!(-1.5e300), json!(true), json!([]), json!({}), json!(["a"]), json!(huge)];
            for payload in PAYLOADS.iter().map(|&text| json!(text)).chain(others) {
                let mut hostile = body.clone();
                *hostile.pointer_mut(&pointer).expect("a member of the sample") = payload.clone();
                let answer = target.caller(&operation).send(operation.method.clone(), &path, Some(hostile)).await;
                let shown: String = payload.to_string().chars().take(60).collect();
                clean(&format!("{name}: {shown} as {pointer}"), &answer);
                assert!(!answer.text.contains("<script>") || answer.header("content-type") != Some("text/html"));
            }
        }
        let mut surplus = body.as_object().cloned().unwrap_or_else(Map::new);
        surplus.insert("surplus".into(), json!(1));
        let answer = target.caller(&operation).send(operation.method.clone(), &path, Some(Value::Object(surplus))).await;
        refused(&format!("{name}: a surplus member"), &answer);
        // Where there is nothing, some say so before they say a word about the body.
        assert!(answer.status == 404 || answer.text.contains("surplus"), "it is refused by name\n{answer}");
        target.still_answers(&name).await;
    }
}

async fn queries_and_headers(store: Store) {
    let target = Target::start(store).await;
    let queries =
        ["surplus=1", "%ff=1", "%00=%00", "a%5B%5D=1", "=", "&&&=&", "limit=1&limit=1", "limit='", "cursor=%27--", "limit[]=1", "%zz=%zz"];
    for operation in operations() {
        let (name, api) = (operation.name(), target.caller(&operation));
        for query in queries {
            let answer = api.send(operation.method.clone(), &format!("{}?{query}", operation.path()), None).await;
            clean(&format!("{name}?{query}"), &answer);
            // Probes may add what they like, to get past caches; so may applications that send people (RFC 6749 section 3.1).
            let passed_over = operation.template.starts_with("/health") || operation.template == "/oauth2/authorize";
            if query == "surplus=1" && !passed_over {
                answer.expect_problem(400, "invalid_request");
            }
        }
        for (header, value) in [
            ("authorization", "Bearer"),
            ("authorization", "Bearer \u{e9}"),
            ("authorization", "Basic YTpi"),
            ("authorization", "Bearer a b c"),
            ("cookie", "=;=;;\"=\\"),
            ("cookie", "keystead_refresh=%00%ff"),
            ("x-csrf-token", "\u{e9}"),
            ("x-request-id", "<script>alert(1)</script>"),
            ("x-forwarded-for", "not an address, ::::, 999.1.1.1"),
            ("forwarded", "for=\"[::1\";by=_hidden;;;"),
            ("origin", "null"),
            ("traceparent", "00-zz-zz-zz"),
            ("accept-encoding", "x;q=nan, *;q=-1"),
            ("content-length", "0"),
            ("if-match", "W/\"\u{e9}\""),
        ] {
            let answer = api.with(header, value).send(operation.method.clone(), &operation.path(), None).await;
            clean(&format!("{name} with {header}: {value}"), &answer);
            let echoed = answer.header("x-request-id").unwrap_or_default();
            assert!(echoed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)), "{answer}");
        }
    }
    target.process.api.get("/health/live").await.expect(200);
    assert!(!target.process.log().contains("panicked"), "{}", target.process.log());
}

/// What no well-behaved client library sends.
fn raw_requests(method: &str, path: &str) -> Vec<(String, Vec<u8>)> {
    let head = |target: &str, more: &str| format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n").into_bytes();
    let mut not_text = format!("{method} {path}/").into_bytes();
    not_text.extend([0xff, 0xfe]);
    not_text.extend(b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let big = "a".repeat(64 << 10);
    vec![
        ("a path that is not text".into(), not_text),
        ("percent-encoded bytes that are not UTF-8".into(), head(&format!("{path}/%ff%fe"), "")),
        ("a percent-encoded NUL".into(), head(&format!("{path}/%00"), "")),
        ("bad percent escapes".into(), head(&format!("{path}/%zz%"), "")),
        ("a header of 64 KB".into(), head(path, &format!("x-big: {big}\r\n"))),
        ("a target of 64 KB".into(), head(&format!("{path}?{big}"), "")),
        ("500 headers".into(), head(path, &"x-many: a\r\n".repeat(500))),
        ("two content lengths".into(), head(path, "content-length: 1\r\ncontent-length: 2\r\n")),
        ("a length that is no number".into(), head(path, "content-length: -1\r\n")),
        (
            "a length and chunks".into(),
            head(path, "content-length: 5\r\ntransfer-encoding: chunked\r\n").into_iter().chain(*b"0\r\n\r\n").collect(),
        ),
        (
            "chunks that are none".into(),
            head(path, "transfer-encoding: chunked\r\ncontent-type: application/json\r\n").into_iter().chain(*b"zz\r\n{}\r\n").collect(),
        ),
        ("a header without a name".into(), head(path, ": a\r\n")),
        ("a header with a NUL".into(), head(path, "x-nul: a\0b\r\n")),
        (
            "a header that is not text".into(),
            [head(path, "x-bytes: ").strip_suffix(b"\r\n").unwrap_or_default(), b"\xff\xfe\r\n\r\n"].concat(),
        ),
        ("authorization twice".into(), head(path, "authorization: Bearer a\r\nauthorization: Bearer b\r\n")),
        (
            "the content type twice".into(),
            head(path, "content-type: application/json\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n")
                .into_iter()
                .chain(*b"{}")
                .collect(),
        ),
        ("no host".into(), format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n\r\n").into_bytes()),
        ("two hosts".into(), head(path, "host: y\r\n")),
        ("an absolute target".into(), head(&format!("http://evil.example{path}"), "")),
        ("a method that is none".into(), format!("G\u{e9}T {path} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes()),
        ("HTTP of the future".into(), format!("{method} {path} HTTP/9.9\r\nhost: x\r\n\r\n").into_bytes()),
        ("a tail of dots".into(), head(&format!("{path}/../../../etc/passwd"), "")),
    ]
}

/// The answer's status; `None` where the server just closed.
async fn exchange(address: &str, what: &str, request: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    // The server may close before everything is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let reading = async {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..length]);
            if answer.windows(4).any(|window| window == b"\r\n\r\n") {
                break;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), reading).await.unwrap_or_else(|_| panic!("no answer in time to {what}"));
    let status = std::str::from_utf8(answer.strip_prefix(b"HTTP/1.1 ").or(answer.strip_prefix(b"HTTP/1.0 "))?.get(..3)?).ok()?;
    status.parse().ok()
}

async fn raw(store: Store) {
    let target = Target::start(store).await;
    let address = target.process.api.base().trim_start_matches("http://").to_owned();
    for operation in operations() {
        for (what, request) in raw_requests(operation.method.as_str(), &operation.path()) {
            let status = exchange(&address, &what, &request).await;
            let name = operation.name();
            assert!(status.is_none_or(|status| status < 500), "{name}: {what} was answered {status:?}");
        }
        target.still_answers(&operation.name()).await;
    }
}

macro_rules! processes {
    ($($store:ident = $which:expr),+) => {
        $(mod $store {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn process_survives_hostile_bodies() { super::bodies($which).await; }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn process_survives_hostile_members() { super::members($which).await; }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn process_survives_hostile_queries_and_headers() { super::queries_and_headers($which).await; }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn process_survives_raw_hostility() { super::raw($which).await; }
        })+
    };
}

processes!(sqlite = crate::support::Store::Sqlite, postgres = crate::support::Store::Postgres);
