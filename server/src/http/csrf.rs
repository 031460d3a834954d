//! The cross-site request check for everything that a cookie authorises.
//!
//! Two locks, both must open: the request comes from a page of ours or of a listed origin (Fetch
//! Metadata, else `Origin`), and it carries a token that only such a page could have read. The token
//! is an HMAC over the session id, so it needs no storage and dies with the session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use uuid::Uuid;

use crate::error::{Code, Problem};
use crate::secret::{KeyId, Purpose, RootKeys};

/// The name of the header that carries the token.
pub const X_CSRF_TOKEN: &str = "x-csrf-token";

/// Makes and checks the tokens of one installation.
#[derive(Clone)]
pub struct Csrf {
    roots: RootKeys,
    origins: Vec<String>,
}

impl Csrf {
    /// Requests may come from the origin of `public_url` and from `cors_origins`.
    pub fn new(roots: RootKeys, cors_origins: &[String], public_url: &str) -> Self {
        let own = url::Url::parse(public_url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        let listed = cors_origins.iter().map(|origin| origin.trim_end_matches('/').to_owned());
        Self { roots, origins: listed.chain([own]).filter(|origin| !origin.is_empty() && origin != "null").collect() }
    }

    /// The token of a session: base64url of key id and HMAC-SHA-256. It stays the same while the
    /// master key does.
    pub fn token(&self, session: Uuid) -> String {
        let (key, tag) = self.roots.mac(Purpose::Csrf, &[session.as_bytes()]);
        let mut bytes = [0; 36];
        bytes[..4].copy_from_slice(&key);
        bytes[4..].copy_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Lets a cookie-authorised write of `session` pass, or refuses it with `csrf_failed`.
    pub fn check(&self, headers: &HeaderMap, session: Uuid) -> Result<(), Problem> {
        if !self.comes_from_us(headers) {
            return Err(Problem::new(Code::CsrfFailed)
                .detail("This request comes from a site that is not allowed to make it. Add the site to CORS_ORIGINS if it is yours."));
        }
        if !self.token_is_right(headers, session) {
            return Err(Problem::new(Code::CsrfFailed));
        }
        Ok(())
    }

    /// Whether `origin` is ours or listed.
    pub fn is_listed(&self, origin: &http::HeaderValue) -> bool {
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    }

    /// `Sec-Fetch-Site` is beyond the reach of scripts; where a browser does not send it, `Origin` decides;
    /// with neither it is no browser, and the token alone must do.
    fn comes_from_us(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(header::ORIGIN);
        let listed = || origin.is_some_and(|origin| self.is_listed(origin));
        match headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => true,
            Some(_) => listed(),
            None => origin.is_none() || listed(),
        }
    }

    fn token_is_right(&self, headers: &HeaderMap, session: Uuid) -> bool {
        let Some(given) = headers.get(X_CSRF_TOKEN) else { return false };
        let mut bytes = [0; 36];
        let Ok(36) = URL_SAFE_NO_PAD.decode_slice(given.as_bytes(), &mut bytes) else { return false };
        let key: KeyId = [bytes[0], bytes[1], bytes[2], bytes[3]];
        self.roots.verify(key, Purpose::Csrf, &[session.as_bytes()], &bytes[4..])
    }
}
