//! Requests and answers. Every answer is held against the contract before the test sees it.

use std::fmt;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::cookie::{CookieStore, Jar};
use serde_json::Value;

use super::contract::Contract;
use super::events::Events;

/// A caller of one server. Clones share connections and cookies; `with_…` gives a changed clone.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    headers: HeaderMap,
    cookies: Option<Arc<Jar>>,
}

/// What the server answered.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; `Null` where it is none.
    pub body: Value,
    /// The body as text.
    pub text: String,
    /// The request it answers.
    pub asked: String,
}

impl Client {
    /// A caller without cookies and credentials.
    pub fn new(base: String) -> Self {
        Self { base, http: http_client(None), headers: HeaderMap::new(), cookies: None }
    }

    /// A fresh browser: it keeps cookies and says which page it is on.
    pub fn browser(&self) -> Self {
        let cookies = Arc::new(Jar::default());
        let http = http_client(Some(Arc::clone(&cookies)));
        let browser = Self { base: self.base.clone(), http, headers: HeaderMap::new(), cookies: Some(cookies) };
        // The public URL of the tests' settings, which is the origin of the hosted pages.
        browser.with("origin", "http://localhost:8080").with("sec-fetch-site", "same-origin")
    }

    /// The same caller with one more header.
    #[must_use]
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"));
        changed
    }

    /// The same caller with this access token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// The same caller at another address; the instance must trust 127.0.0.1 as a proxy.
    #[must_use]
    pub fn at_address(&self, address: &str) -> Self {
        self.with("x-forwarded-for", address)
    }

    /// Where the server listens.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The value of a cookie that this browser holds.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let held = self.cookies.as_ref()?.cookies(&self.base.parse().ok()?)?;
        let pairs = held.to_str().ok()?.split("; ");
        pairs.filter_map(|pair| pair.split_once('=')).find(|(held, _)| *held == name).map(|(_, value)| value.to_owned())
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// DELETE without a body.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Any method, with or without a JSON body.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        match body {
            Some(body) => self.send_bytes(method, path, "application/json", body.to_string().into_bytes()).await,
            None => self.finish(method.clone(), path, self.request(method, path)).await,
        }
    }

    /// Any bytes under any content type, for hostile and foreign bodies.
    pub async fn send_bytes(&self, method: Method, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request = self.request(method.clone(), path).header(CONTENT_TYPE, content_type).body(body);
        self.finish(method, path, request).await
    }

    /// GET of an event stream, which must be answered as one.
    pub async fn listen(&self, path: &str) -> Events {
        let response = self.request(Method::GET, path).header("accept", "text/event-stream").send().await;
        let response = response.unwrap_or_else(|error| panic!("GET {path}: no answer: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        assert!(headers.contains_key("x-request-id"), "{headers:?}");
        if status != 200 {
            panic!("expected a stream: {status}\n{}", response.text().await.unwrap_or_default());
        }
        assert!(headers[CONTENT_TYPE].as_bytes().starts_with(b"text/event-stream"), "{headers:?}");
        Events::of(response)
    }

    /// The status of a GET, `None` where nobody answers; without the contract, for servers that are still starting.
    pub async fn probe(&self, path: &str) -> Option<u16> {
        self.request(Method::GET, path).send().await.ok().map(|answer| answer.status().as_u16())
    }

    /// POST whose last byte is held back until `meanwhile` is over: the status of the answer. What is checked at the beginning of a
    /// request may not hold any more at its end.
    pub async fn post_held_back(&self, path: &str, content_type: &str, body: &str, meanwhile: impl Future<Output = ()>) -> u16 {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.base.trim_start_matches("http://")).await.expect("a connection");
        let token = self.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let (most, last) = body.split_at(body.len() - 1);
        stream.write_all(format!("{head}{most}").as_bytes()).await.expect("the server reads");
        stream.flush().await.expect("the server reads");
        // Until the head was looked at.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        meanwhile.await;
        stream.write_all(last.as_bytes()).await.expect("the server still reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer}"))
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).headers(self.headers.clone())
    }

    async fn finish(&self, method: Method, path: &str, request: reqwest::RequestBuilder) -> Answer {
        let asked = format!("{method} {path}");
        let response = request.send().await.unwrap_or_else(|error| panic!("{asked}: no answer: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap_or_else(|error| panic!("{asked}: the answer broke off: {error:?}"));
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status, headers, body, text, asked };
        if let Err(breach) = Contract::get().check(&method, path, &answer) {
            panic!("the answer breaks the contract: {breach}\n{answer}");
        }
        answer
    }
}

impl Answer {
    /// Fails, showing the whole answer, unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(self.status == status, "expected {status}\n{self}");
        self
    }

    /// Fails, showing the whole answer, unless it is a problem with this status and code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        assert!(self.status == status && self.body["code"] == code, "expected {status} {code}\n{self}");
        self
    }

    /// The text at a JSON pointer, such as `/user/id`.
    #[track_caller]
    pub fn str(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}\n{self}"))
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The `Set-Cookie` line of one cookie.
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        let lines = self.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
        lines.into_iter().find(|line| line.split_once('=').is_some_and(|(held, _)| held == name))
    }

    /// The codes of the refused fields: `["email:invalid", "password:too_short"]`, sorted.
    pub fn field_errors(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        let mut named: Vec<_> =
            errors.map(|e| format!("{}:{}", e["field"].as_str().unwrap_or("?"), e["code"].as_str().unwrap_or("?"))).collect();
        named.sort();
        named
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} -> {}", self.asked, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        match &self.body {
            Value::Null => write!(f, "\n{}", self.text),
            body => write!(f, "\n{body:#}"),
        }
    }
}

/// Follows no redirect, asks no proxy, loads no certificate: all talk is plain, on loopback.
fn http_client(cookies: Option<Arc<Jar>>) -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().tls_certs_only([]);
    let builder = match cookies {
        Some(jar) => builder.cookie_provider(jar),
        None => builder,
    };
    builder.build().expect("an HTTP client")
}
