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
const NOTHING_ALLOWED: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), \
     magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-get=(self), usb=(), xr-spatial-tracking=()",
);

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
#[derive(Clone, Copy, Debug)]
pub struct SecurityHeaders {
    /// Whether the public address is https; only then may browsers be told to insist on it (RFC 6797 section 7.2).
    pub https: bool,
}

impl SecurityHeaders {
    /// Adds every header that is not there yet. `private`: the answer is somebody's data, so it is not stored
    /// unless the handler said otherwise.
    pub fn apply(self, headers: &mut HeaderMap, private: bool) {
        headers.reserve(DEFAULTS.len() + 5);
        for (name, value) in DEFAULTS {
            headers.entry(name).or_insert(value);
        }
        if self.https {
            headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(ONE_YEAR);
        }
        if private {
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
    }
}
