//! The key and the body it belongs to, as an extractor.

use axum::body::Body;
use axum::extract::FromRequest;
use http::{HeaderMap, Request};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::app::App;
use crate::error::{Code, Problem};
use crate::http::extract::read_json;
use crate::secret::{Purpose, RootKeys};

/// The longest key, in bytes.
const KEY_MAX: usize = 255;
const HEADER: &str = "idempotency-key";

/// A key with what it was sent with.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    pub(super) key: String,
    /// Keyed hash of the body: the body may hold a password, so a plain hash of it could be guessed.
    pub(super) request: [u8; 32],
}

impl IdempotencyKey {
    /// The same key for one thing among those that the route is about: with another `thing` it is another key.
    #[must_use]
    pub fn at(self, thing: &str) -> Self {
        // A key holds no blank, so no two pairs are written alike.
        Self { key: format!("{thing} {}", self.key), ..self }
    }

    /// Names the request: the same key and body of the same caller on the same route, on whichever instance. What keeps it in the
    /// transaction of what it does, under a unique index, does it once even where the first answer was lost in a crash.
    pub fn receipt(&self, roots: &RootKeys, route: &str, caller: Uuid) -> Uuid {
        let (_, hash) = roots.mac(Purpose::System, &[b"receipt", route.as_bytes(), caller.as_bytes(), self.key.as_bytes(), &self.request]);
        let mut receipt = [0; 16];
        receipt.copy_from_slice(&hash[..16]);
        Uuid::from_bytes(receipt)
    }
}

/// A JSON body, and the `Idempotency-Key` if there is one.
#[derive(Clone, Debug)]
pub struct Idempotent<T>(pub T, pub Option<IdempotencyKey>);

impl<T: DeserializeOwned> FromRequest<App> for Idempotent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, app: &App) -> Result<Self, Problem> {
        let key = key(request.headers())?;
        let (value, bytes) = read_json(request).await?;
        let hash = |key| IdempotencyKey { key, request: app.ground.roots.mac(Purpose::System, &[b"request", &bytes]).1 };
        Ok(Self(value, key.map(hash)))
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(HEADER).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let visible = |byte: u8| (0x21..=0x7e).contains(&byte);
    let bytes = value.as_bytes();
    if given.next().is_some() || bytes.is_empty() || bytes.len() > KEY_MAX || !bytes.iter().copied().all(visible) {
        return Err(Problem::new(Code::InvalidRequest).detail("Send one Idempotency-Key of 1 to 255 visible ASCII characters."));
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}
