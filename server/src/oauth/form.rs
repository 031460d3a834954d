//! The body of an OAuth request: a form, each parameter once.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts};
use http::{HeaderMap, Request, header};

use super::error::{OAuthCode, OAuthError, Refusal};
use crate::app::App;
use crate::http::body;
use crate::http::guard::take_address;
use crate::http::limits::Policy;
use crate::http::visit::Visit;

/// More parameters than any request has.
const MOST: usize = 64;

/// The one parameter that may be sent more than once (RFC 8707 section 2).
const REPEATED: &str = "resource";

/// The parameters. Those that nobody knows are passed over, as RFC 6749 section 3.2 wants it.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The value of `name`; sent empty it counts as left out (RFC 6749 section 3.2).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Every value of a parameter that may be repeated: `resource` alone (RFC 8707 section 2).
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The same for what cannot be left out.
    pub fn required(&self, name: &str, missing: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::new(OAuthCode::InvalidRequest, missing))
    }

    /// Whether a request's body says that it is a form.
    pub(super) fn is_type_of(headers: &HeaderMap) -> bool {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    /// Reads a form as it is written, in a body or behind a `?`.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, OAuthError> {
        let refuse = |sentence| Err(OAuthError::new(OAuthCode::InvalidRequest, sentence));
        let read: Vec<(String, String)> = form_urlencoded::parse(bytes).into_owned().take(MOST + 1).collect();
        if read.len() > MOST {
            return refuse("There are too many parameters.");
        }
        // What is no UTF-8 was replaced by this letter, which no parameter of ours can have.
        let unreadable = |text: &str| text.contains(['\u{fffd}', '\0']);
        if read.iter().any(|(name, value)| unreadable(name) || unreadable(value)) {
            return refuse("A parameter is not UTF-8 text.");
        }
        let mut names: Vec<_> = read.iter().map(|(name, _)| name.as_str()).filter(|name| *name != REPEATED).collect();
        names.sort_unstable();
        if names.windows(2).any(|two| two[0] == two[1]) {
            return refuse("A parameter was sent more than once.");
        }
        Ok(Self(read))
    }
}

impl FromRequest<App> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, app: &App) -> Result<Self, Refusal> {
        let (mut parts, content) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, app).await?;
        let form = Self::is_type_of(&parts.headers);
        // Read in any case: of a body that is left unread the connection dies, and a client that writes on learns nothing.
        let bytes = body::read(content).await?;
        let read = match form {
            true => Self::read(&bytes),
            false => Err(OAuthError::new(OAuthCode::InvalidRequest, "Send the parameters as application/x-www-form-urlencoded.")),
        };
        if read.is_err() {
            // Nobody is known to have sent this: it counts against the address.
            take_address(app, &visit, Policy::Global).await?;
        }
        Ok(read?)
    }
}
