//! What handlers ask of the request they answer: when it came and where from.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::visit::Visit;
use crate::error::Problem;
use crate::time::Timestamp;

/// The longest user agent that is kept, in bytes.
const USER_AGENT_MAX: usize = 512;

/// The one instant at which all of the request happens: its arrival.
#[derive(Clone, Copy, Debug)]
pub struct Now(pub Timestamp);

impl<S: Sync> FromRequestParts<S> for Now {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Visit::from_request_parts(parts, state).await.map(|visit| Self(visit.now()))
    }
}

/// Where a request comes from, in the form that is sealed and kept with sessions and audit events.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Origin {
    /// The caller's address.
    pub ip: Option<IpAddr>,
    /// The `User-Agent`, cut to 512 bytes.
    pub user_agent: Option<String>,
    /// The request id.
    pub request_id: Option<String>,
    /// Who made the request in somebody else's name; stands in every audit event of it. A guard has to come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonator: Option<Uuid>,
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let visit = Visit::from_request_parts(parts, state).await?;
        let user_agent = parts.headers.get(http::header::USER_AGENT).map(|value| cut(&String::from_utf8_lossy(value.as_bytes())));
        let (request_id, impersonator) = (Some(visit.id().as_str().to_owned()), visit.impersonator());
        Ok(Self { ip: Some(visit.client().0), user_agent, request_id, impersonator })
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(USER_AGENT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
