//! `If-Match` (RFC 9110 section 13.1.1): change it only if it is still the version that was read. Versions count up from
//! one, and a version's entity tag is its number in quotes.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderValue, header};

use crate::error::{Code, Problem};

/// Which versions may be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfMatch {
    /// One of these; `None` is whichever there is.
    tagged: Option<Vec<i64>>,
    /// Exactly this one, besides.
    exactly: Option<i64>,
}

impl IfMatch {
    /// The same, and only `version` when there is one: for a request that names it in its body.
    #[must_use]
    pub fn and(mut self, version: Option<i64>) -> Self {
        self.exactly = version;
        self
    }

    /// Whether `version` may be changed.
    pub fn allows(&self, version: i64) -> bool {
        self.tagged.as_ref().is_none_or(|tagged| tagged.contains(&version)) && self.exactly.is_none_or(|exactly| exactly == version)
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut tagged: Option<Vec<i64>> = None;
        let mut any = false;
        for line in parts.headers.get_all(header::IF_MATCH) {
            let text = line.to_str().map_err(|_| malformed())?;
            for tag in text.split(',').map(str::trim) {
                any |= tag == "*";
                tagged.get_or_insert_default().extend(if tag == "*" { None } else { version(tag)? });
            }
        }
        Ok(Self { tagged: tagged.filter(|_| !any), exactly: None })
    }
}

/// The version that a tag names. A weak tag, and one that is no version of ours, is well-formed and matches nothing.
fn version(tag: &str) -> Result<Option<i64>, Problem> {
    let (weak, opaque) = tag.strip_prefix("W/").map_or((false, tag), |rest| (true, rest));
    let inside = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(malformed)?;
    let digits = !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit());
    Ok(inside.parse().ok().filter(|_| digits && !weak))
}

fn malformed() -> Problem {
    Problem::new(Code::InvalidRequest).detail("Send If-Match with the ETag of the version you read, as in If-Match: \"3\".")
}

/// The `ETag` of a version.
pub fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}
