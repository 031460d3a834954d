//! The headers that tell browsers what not to do with our answers.
//!
//! Defaults for API answers, which nothing should ever render. A page that needs more sets its own
//! `Content-Security-Policy` and wins; nothing set by a handler is replaced.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Of an answer that is data: nothing may be loaded, framed or submitted.
pub const API_CSP: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");

/// Of a small page of ours: scripts, styles and images from here, nothing inline.
pub const PAGE_CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
);

const ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");
const NOTHING_ALLOWED: HeaderValue =
    HeaderValue::from_static("camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), usb=()");

const DEFAULTS: [(HeaderName, HeaderValue); 8] = [
    (CONTENT_SECURITY_POLICY, API_CSP),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("permissions-policy"), NOTHING_ALLOWED),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-embedder-policy"), HeaderValue::from_static("require-corp")),
];

/// What an answer gets besides what its handler set.
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    public: HeaderMap,
    private: HeaderMap,
}

impl SecurityHeaders {
    /// `https`: the public address is https; only then may browsers be told to insist on it (RFC 6797 section 7.2).
    pub fn new(https: bool) -> Self {
        // Room for what handlers and the gate add, so that no answer makes the map grow.
        let mut public = HeaderMap::with_capacity(20);
        public.extend(DEFAULTS);
        if https {
            public.insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR);
        }
        let mut private = public.clone();
        private.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self { public, private }
    }

    /// Adds every header that is not there yet. `private`: the answer is somebody's data, so it is not stored
    /// unless the handler said otherwise.
    pub fn apply(&self, headers: &mut HeaderMap, private: bool) {
        // Copying the ready map and moving the few own headers over it costs half of adding ten headers.
        let mut merged = if private { self.private.clone() } else { self.public.clone() };
        let mut last = None;
        for (name, value) in headers.drain() {
            match name {
                Some(name) => {
                    merged.insert(name.clone(), value);
                    last = Some(name);
                }
                // A further value of the header before.
                None => {
                    if let Some(name) = &last {
                        merged.append(name.clone(), value);
                    }
                }
            }
        }
        *headers = merged;
    }
}
