//! The access log: one line per request, and one more for each that failed through our fault.

use std::cell::RefCell;
use std::time::Duration;

use http::{HeaderValue, Method};
use uuid::Uuid;

use super::buffer::LogBuffer;
use super::timestamp::{push_padded, push_timestamp};
use crate::config::LogFormat;
use crate::error::Problem;
use crate::time::Timestamp;

/// What is said about an answered request. No address, no user agent, no path with its ids, no query.
#[derive(Clone, Copy, Debug)]
pub struct AccessLine<'a> {
    /// When it came.
    pub at: Timestamp,
    /// The method.
    pub method: &'a Method,
    /// The route's template; `None` when no route matched.
    pub route: Option<&'a str>,
    /// The answer's status.
    pub status: u16,
    /// From the request's head to the answer's head.
    pub took: Duration,
    /// The request id.
    pub request_id: &'a str,
    /// Who was signed in.
    pub user: Option<Uuid>,
    /// The W3C trace id, when the caller sent one.
    pub trace_id: Option<&'a str>,
}

/// The trace id of a `traceparent` header (W3C Trace Context section 3.2), when it is a valid one.
pub fn trace_id(traceparent: &HeaderValue) -> Option<&str> {
    let text = traceparent.to_str().ok()?;
    let mut fields = text.split('-');
    let (version, trace) = (fields.next()?, fields.next()?);
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let valid = version.len() == 2 && version != "ff" && is_hex(version) && trace.len() == 32 && is_hex(trace);
    (valid && trace.bytes().any(|byte| byte != b'0')).then_some(trace)
}

thread_local! {
    static LINE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(512));
}

impl LogBuffer {
    /// Logs an answered request.
    pub fn access(&self, access: &AccessLine<'_>) {
        let level: &[u8] = if access.status >= 500 { b"WARN" } else { b"INFO" };
        self.line(false, |line| match self.format() {
            LogFormat::Json => json(line, level, access, b"request", |_| {}),
            LogFormat::Pretty => pretty(line, level, access, |_| {}),
        });
    }

    /// Logs why a request failed, at error level and at once.
    pub fn failure(&self, access: &AccessLine<'_>, problem: &Problem) {
        let cause = problem.cause.as_deref().unwrap_or_default();
        self.line(true, |line| match self.format() {
            LogFormat::Json => json(line, b"ERROR", access, b"request failed", |line| {
                push_field(line, b"code", problem.code.as_str().as_bytes());
                line.extend_from_slice(b",\"cause\":");
                // Strings serialise into memory without a way to fail.
                let _ = serde_json::to_writer(line, cause);
            }),
            LogFormat::Pretty => pretty(line, b"ERROR", access, |line| {
                line.extend_from_slice(b" code=");
                line.extend_from_slice(problem.code.as_str().as_bytes());
                line.extend_from_slice(format!(" cause={cause:?}").as_bytes());
            }),
        });
    }

    fn line(&self, urgent: bool, write: impl FnOnce(&mut Vec<u8>)) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            write(line);
            line.push(b'\n');
            self.append(line, urgent);
        });
    }
}

/// Everything that stands between quotes here has been checked or is ours: ids, templates, method tokens (RFC 9110
/// section 5.6.2 has neither quotes nor backslashes).
fn json(line: &mut Vec<u8>, level: &[u8], access: &AccessLine<'_>, message: &[u8], more: impl FnOnce(&mut Vec<u8>)) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    push_timestamp(line, access.at);
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(level);
    line.extend_from_slice(b"\",\"target\":\"keystead::access\",\"message\":\"");
    line.extend_from_slice(message);
    line.extend_from_slice(b"\",\"method\":\"");
    line.extend_from_slice(access.method.as_str().as_bytes());
    line.extend_from_slice(b"\",\"route\":\"");
    line.extend_from_slice(access.route.unwrap_or("unmatched").as_bytes());
    line.extend_from_slice(b"\",\"status\":");
    push_padded(line, i64::from(access.status), 3);
    line.extend_from_slice(b",\"durationMs\":");
    push_millis(line, access.took);
    push_field(line, b"requestId", access.request_id.as_bytes());
    if let Some(user) = access.user {
        push_field(line, b"userId", user.hyphenated().encode_lower(&mut [0; uuid::fmt::Hyphenated::LENGTH]).as_bytes());
    }
    if let Some(trace) = access.trace_id {
        push_field(line, b"traceId", trace.as_bytes());
    }
    more(line);
    line.push(b'}');
}

fn pretty(line: &mut Vec<u8>, level: &[u8], access: &AccessLine<'_>, more: impl FnOnce(&mut Vec<u8>)) {
    push_timestamp(line, access.at);
    line.extend_from_slice(if level.len() < 5 { b"  " } else { b" " });
    line.extend_from_slice(level);
    line.push(b' ');
    line.extend_from_slice(access.method.as_str().as_bytes());
    line.push(b' ');
    line.extend_from_slice(access.route.unwrap_or("unmatched").as_bytes());
    line.push(b' ');
    push_padded(line, i64::from(access.status), 3);
    line.push(b' ');
    push_millis(line, access.took);
    line.extend_from_slice(b"ms request=");
    line.extend_from_slice(access.request_id.as_bytes());
    if let Some(user) = access.user {
        line.extend_from_slice(b" user=");
        line.extend_from_slice(user.hyphenated().encode_lower(&mut [0; uuid::fmt::Hyphenated::LENGTH]).as_bytes());
    }
    if let Some(trace) = access.trace_id {
        line.extend_from_slice(b" trace=");
        line.extend_from_slice(trace.as_bytes());
    }
    more(line);
}

fn push_field(line: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name);
    line.extend_from_slice(b"\":\"");
    line.extend_from_slice(value);
    line.push(b'"');
}

fn push_millis(line: &mut Vec<u8>, took: Duration) {
    let micros = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
    push_padded(line, micros / 1000, 1);
    line.push(b'.');
    push_padded(line, micros % 1000, 3);
}
