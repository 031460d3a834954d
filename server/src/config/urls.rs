//! URLs of other services. Most carry passwords, so nothing here repeats what it was given.

use url::Url;

use super::fault::{Wrong, wrong};
use super::{network, parse};
use crate::db::PostgresTarget;

/// The origin under which people reach the server, without trailing slash.
pub(super) fn public(text: &str) -> Result<String, Wrong> {
    const MEND: &str = "use scheme and host only, such as `https://id.example.com`";
    let url = web_url(text, MEND)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return wrong("has more than scheme, host and port", MEND);
    }
    Ok(url.origin().ascii_serialization())
}

/// An http or https URL without credentials, kept as written.
pub(super) fn web(text: &str) -> Result<String, Wrong> {
    web_url(text, "use an http or https URL, such as `http://localhost:4318`")?;
    Ok(text.trim().to_owned())
}

fn web_url(text: &str, mend: &str) -> Result<Url, Wrong> {
    match Url::parse(text.trim()) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => wrong("is not an http or https URL", mend),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => wrong("carries a user or password", mend),
        Ok(url) => Ok(url),
        Err(_) => wrong("is not a URL", mend),
    }
}

/// `ws://` or `wss://`, as LiveKit clients need it.
pub(super) fn socket(text: &str) -> Result<String, Wrong> {
    const MEND: &str = "use the WebSocket address, such as `wss://livekit.example.com`";
    match Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "ws" | "wss") && url.username().is_empty() && url.password().is_none() => {
            Ok(text.trim().to_owned())
        }
        _ => wrong("is not a WebSocket URL", MEND),
    }
}

/// Comma-separated TURN and STUN URIs (RFC 7065, RFC 7064).
pub(super) fn turn(text: &str) -> Result<Vec<String>, Wrong> {
    let uris: Vec<String> = parse::list(text).map(str::to_owned).collect();
    let is_turn = |uri: &String| {
        let rest = ["turn:", "turns:", "stun:", "stuns:"].iter().find_map(|scheme| uri.strip_prefix(scheme));
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace))
    };
    if uris.is_empty() || !uris.iter().all(is_turn) {
        return wrong("holds something that is not a TURN URI", "list URIs such as `turn:turn.example.com:3478?transport=udp`");
    }
    Ok(uris)
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// Path of the SQLite file as written, maybe relative.
    Sqlite(String),
    /// PostgreSQL.
    Postgres(PostgresTarget),
}

/// `sqlite://path` or `postgres://…`.
pub(super) fn database(text: &str) -> Result<Store, Wrong> {
    let text = text.trim();
    if text.starts_with("postgres") {
        return postgres(text).map(Store::Postgres);
    }
    let Some(path) = text.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)) else {
        return wrong("is not a database URL", "use `sqlite://path/to/keystead.db` or `postgres://user:password@host/database`");
    };
    if path.is_empty() || path.ends_with('/') || path.contains(":memory:") {
        return wrong(
            "names no file",
            "use a path, such as `sqlite:///var/lib/keystead/keystead.db`; a database in memory would lose everything",
        );
    }
    if path.contains('?') {
        return wrong("has parameters", "leave out everything from the `?`; Keystead opens SQLite the way it needs it");
    }
    Ok(Store::Sqlite(path.to_owned()))
}

/// A PostgreSQL URL.
pub(super) fn postgres(text: &str) -> Result<PostgresTarget, Wrong> {
    const MEND: &str =
        "use `postgres://user:password@host:5432/database?sslmode=require`; escape special characters of the password with %XX";
    PostgresTarget::parse(text).or_else(|error| wrong(error.to_string(), MEND))
}

/// What the rules need to know of a Redis URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Redis {
    /// Every host is this machine or a socket of it.
    pub is_loopback: bool,
    /// Encrypted.
    pub is_tls: bool,
}

/// `redis://`, `rediss://`, `redis+unix://`, and `-cluster` or `-sentinel` after the scheme with several hosts.
pub(super) fn redis(text: &str) -> Result<Redis, Wrong> {
    const MEND: &str =
        "use `redis://host:6379`, `rediss://…` for TLS, `redis-cluster://a:6379,b:6379` or `redis-sentinel://a:26379,b:26379/master-name`";
    let Some((scheme, rest)) = text.trim().split_once("://") else { return wrong("is not a Redis URL", MEND) };
    if matches!(scheme, "unix" | "redis+unix" | "valkey+unix") && rest.starts_with('/') {
        return Ok(Redis { is_loopback: true, is_tls: false });
    }
    let (base, form) = scheme.split_once('-').unwrap_or((scheme, ""));
    if !matches!(base, "redis" | "rediss" | "valkey" | "valkeys") || !matches!(form, "" | "cluster" | "sentinel") {
        return wrong("is not a Redis URL", MEND);
    }
    let (authority, path) = rest.split_once(['/', '?', '#']).unwrap_or((rest, ""));
    let hosts: Vec<&str> = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts).split(',').collect();
    if hosts.iter().any(|host| !is_host_and_port(host)) || hosts.len() > 1 && form.is_empty() {
        return wrong("names a host that is not usable", MEND);
    }
    if form == "sentinel" && path.is_empty() {
        return wrong("names no master", "append the name the sentinels know it by: `redis-sentinel://a:26379,b:26379/mymaster`");
    }
    let is_loopback = hosts.iter().all(|host| network::is_loopback(without_port(host)));
    Ok(Redis { is_loopback, is_tls: matches!(base, "rediss" | "valkeys") })
}

fn is_host_and_port(text: &str) -> bool {
    Url::parse(&format!("http://{text}/")).is_ok_and(|url| url.has_host() && url.username().is_empty() && url.path() == "/")
}

fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) => host,
        _ => text,
    }
}

/// What the rules need to know of an SMTP URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Smtp {
    /// The server is this machine.
    pub is_loopback: bool,
    /// The connection is refused when it cannot be encrypted.
    pub requires_tls: bool,
}

/// `smtp://user:pass@host:587?tls=required`, `smtps://…`.
pub(super) fn smtp(text: &str) -> Result<Smtp, Wrong> {
    const MEND: &str =
        "use `smtp://user:password@host:587?tls=required` or `smtps://user:password@host:465`; escape special characters with %XX";
    let Ok(url) = Url::parse(text.trim()) else { return wrong("is not a URL", MEND) };
    if !matches!(url.scheme(), "smtp" | "smtps") || url.host_str().is_none_or(str::is_empty) {
        return wrong("is not an SMTP URL", MEND);
    }
    let mut requires_tls = url.scheme() == "smtps";
    for (name, value) in url.query_pairs() {
        match (name.as_ref(), value.as_ref()) {
            ("tls", "required") => requires_tls = true,
            ("tls", "opportunistic") => {}
            ("tls", _) => return wrong("has an unknown `tls` parameter", "use `tls=required` or `tls=opportunistic`"),
            _ => return wrong("has an unknown parameter", "the only parameter is `tls=required` or `tls=opportunistic`"),
        }
    }
    let host = url.host_str().unwrap_or_default();
    Ok(Smtp { is_loopback: network::is_loopback(host), requires_tls })
}

/// `https://key@host/project`.
pub(super) fn sentry(text: &str) -> Result<(), Wrong> {
    match Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && !url.username().is_empty() && url.path().len() > 1 => Ok(()),
        _ => wrong("is not a Sentry DSN", "copy it from the project's settings: `https://key@host/project`"),
    }
}
