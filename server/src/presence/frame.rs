//! The frames: what stands in them, how they are read and written.
//!
//! Every frame is a JSON object `{type, ref?, channel?, payload}`. What a client sends is hostile until it was read here.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Code, FieldError, Problem};
use crate::time::Timestamp;

/// The longest `ref`, in characters.
pub const REF_MAX: usize = 64;
/// The longest `metadata`, in bytes of JSON without spaces.
pub const METADATA_MAX: usize = 1024;

/// A frame as a client sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientFrame {
    pub r#type: String,
    pub r#ref: Option<String>,
    pub channel: Option<String>,
    pub payload: Option<Value>,
}

/// What a client may say of itself after the connection is open.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientHello {
    /// A fresh access token of the same session: the connection goes on until that one expires.
    pub token: Option<String>,
    /// The resume token of a connection that was lost: this one takes its place. Before the first `join`.
    pub resume: Option<String>,
}

/// How a client joins a channel, or changes what it shows there.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Join {
    /// What everybody in the channel sees of this connection; at most 1 KiB of JSON. Nothing else is shown but the id of the person.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// Nothing.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What the server says first, and in answer to each `hello`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerHello {
    /// The connection, as others see it.
    pub connection_id: Uuid,
    /// A connection that is silent for two of these is closed.
    pub heartbeat_seconds: u64,
    /// Takes this connection's place after it was lost; each `hello` brings a new one.
    pub resume_token: String,
    /// How long after the loss that works.
    pub resume_seconds: u64,
    /// Whether this connection took the place of a lost one: its channels need not be joined again.
    pub resumed: bool,
    /// When the connection ends unless a fresh token was brought.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// A person in a channel.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The person.
    pub user_id: Uuid,
    /// Their connections there.
    pub connections: Vec<Presence>,
}

/// A connection in a channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
pub struct Presence {
    /// The connection.
    pub id: Uuid,
    /// Since when it is there.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// What it shows of itself.
    #[schema(value_type = Object)]
    pub metadata: Arc<RawValue>,
}

/// Everybody in a channel. Forget what you knew of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct State {
    /// By person.
    pub members: Vec<Member>,
}

/// Who came and who went since the last frame about the channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct Diff {
    /// Connections that came; one that is known already shows something else now.
    pub joins: Vec<Member>,
    /// Connections that went.
    pub leaves: Vec<Member>,
}

/// Why a frame was refused; the connection goes on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FrameError)]
pub struct Refusal<'a> {
    /// As in the problem answers of the HTTP interface.
    pub code: &'a str,
    /// What happened and what to do.
    pub detail: &'a str,
    /// Refused values.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [FieldError],
}

/// What one connection shows in one channel.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub user: Uuid,
    pub since: Timestamp,
    pub metadata: Arc<RawValue>,
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user && self.since == other.since && self.metadata.get() == other.metadata.get()
    }
}

/// Connections as members of a channel, by person.
pub(super) fn members(mut shown: Vec<(Uuid, Shown)>) -> Vec<Member> {
    shown.sort_unstable_by_key(|(id, shown)| (shown.user, *id));
    let mut members: Vec<Member> = Vec::new();
    for (id, Shown { user, since, metadata }) in shown {
        let presence = Presence { id, since, metadata };
        match members.last_mut() {
            Some(member) if member.user_id == user => member.connections.push(presence),
            _ => members.push(Member { user_id: user, connections: vec![presence] }),
        }
    }
    members
}

/// A frame of the server as text.
pub(super) fn write(kind: &str, reference: Option<&str>, channel: Option<&str>, payload: &impl Serialize) -> Utf8Bytes {
    #[derive(Serialize)]
    struct Frame<'a, P> {
        r#type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<&'a str>,
        payload: &'a P,
    }
    // Maps with text keys and plain values always serialise.
    serde_json::to_string(&Frame { r#type: kind, r#ref: reference, channel, payload }).unwrap_or_default().into()
}

/// Why a frame was refused, as a frame.
pub(super) fn refusal(problem: &Problem, reference: Option<&str>, channel: Option<&str>) -> Utf8Bytes {
    write("error", reference, channel, &Refusal { code: problem.code.as_str(), detail: &problem.detail, errors: &problem.errors })
}

/// Reads a frame.
///
/// # Errors
/// `invalid_request` for what is no frame.
pub(super) fn read(text: &str) -> Result<ClientFrame, Problem> {
    let frame: ClientFrame = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    if frame.r#ref.as_ref().is_some_and(|reference| reference.chars().count() > REF_MAX) {
        return Err(Problem::new(Code::InvalidRequest).detail(format!("A `ref` has at most {REF_MAX} characters.")));
    }
    Ok(frame)
}

/// Reads what stands in a frame; nothing counts as an empty object.
///
/// # Errors
/// `invalid_request` for unknown members and wrong types.
pub(super) fn payload<P: for<'de> Deserialize<'de> + Default>(payload: Option<Value>) -> Result<P, Problem> {
    match payload {
        None | Some(Value::Null) => Ok(P::default()),
        // Serde would take a list for a struct.
        Some(object @ Value::Object(_)) => serde_json::from_value(object).map_err(|error| unreadable(&error)),
        Some(_) => Err(Problem::new(Code::InvalidRequest).detail("The payload of a frame is a JSON object.")),
    }
}

/// What a connection shows, checked and without spaces.
///
/// # Errors
/// `validation_failed` when it is too long.
pub(super) fn metadata(given: Option<Map<String, Value>>) -> Result<Arc<RawValue>, Problem> {
    let raw = serde_json::value::to_raw_value(&given.unwrap_or_default()).map_err(Problem::internal)?;
    if raw.get().len() > METADATA_MAX {
        let message = format!("At most {METADATA_MAX} bytes of JSON.");
        return Err(Problem::new(Code::ValidationFailed).field("payload.metadata", "too_long", message));
    }
    Ok(raw.into())
}

fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::new(Code::InvalidRequest).detail(format!("The frame could not be understood: {error}."))
}
