//! The AsyncAPI document of the frames, generated from their types.

use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::close::Close;
use super::frame::{ClientHello, Diff, Join, Nothing, REF_MAX, Refusal, ServerHello, State};

type Named = Vec<(String, RefOr<Schema>)>;

/// The document (AsyncAPI 3.0), as it is served and committed.
pub fn asyncapi() -> String {
    // Text and plain values always serialise.
    serde_json::to_string_pretty(&document()).unwrap_or_default()
}

fn document() -> Value {
    let mut schemas: Named = Vec::new();
    let mut messages = Map::new();
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for frame in frames(&mut schemas) {
        let id = format!("{}{}", frame.by, capital(frame.kind));
        let at = json!({"$ref": format!("#/channels/realtime/messages/{id}")});
        if frame.by == "server" {
            sent.push(at)
        } else {
            received.push(at)
        }
        messages.insert(id, frame.message());
    }
    let schemas: Map<String, Value> =
        schemas.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default())).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Keystead realtime",
            "version": env!("CARGO_PKG_VERSION"),
            "description": description(),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {"realtime": {
            "address": "/api/v1/realtime",
            "title": "The connection",
            "description": "One WebSocket with the subprotocol `keystead.v1`. Every message is a text message with one JSON object.",
            "messages": messages,
            "bindings": {"ws": {"method": "GET", "query": {
                "type": "object",
                "properties": {"ticket": {"type": "string", "description": "A one-time ticket of POST /api/v1/realtime/ticket."}},
            }}},
        }},
        "operations": {
            "fromClient": {
                "action": "receive",
                "summary": "What a client says",
                "channel": {"$ref": "#/channels/realtime"},
                "messages": received,
            },
            "fromServer": {
                "action": "send",
                "summary": "What the server says",
                "channel": {"$ref": "#/channels/realtime"},
                "messages": sent,
            },
        },
        "components": {"schemas": schemas},
    })
}

/// One kind of frame.
struct Frame {
    by: &'static str,
    kind: &'static str,
    summary: &'static str,
    /// Whether it names a channel, when it always or never does.
    channel: Option<bool>,
    payload: Value,
}

impl Frame {
    fn message(&self) -> Value {
        let mut properties = json!({
            "type": {"const": self.kind},
            "ref": {"type": "string", "maxLength": REF_MAX, "description": "Chosen by the client; the answer repeats it."},
            "payload": self.payload,
        });
        let mut required = vec!["type"];
        if self.by == "server" {
            required.push("payload");
        }
        if self.channel != Some(false) {
            properties["channel"] = json!({"type": "string", "maxLength": super::channel::NAME_MAX, "examples": ["room:lobby"]});
        }
        if self.channel == Some(true) {
            required.push("channel");
        }
        json!({
            "name": self.kind,
            "title": self.kind,
            "summary": self.summary,
            "payload": {"type": "object", "properties": properties, "required": required, "additionalProperties": false},
        })
    }
}

fn frames(schemas: &mut Named) -> Vec<Frame> {
    let published = "Who came and went; or, with other members, what the owner of the channel has to tell: `transcript:` channels, say.";
    let diff = json!({"anyOf": [schema::<Diff>(schemas), {"type": "object"}]});
    let frame = |by, kind, summary, channel, payload| Frame { by, kind, summary, channel, payload };
    let mut frames = vec![
        frame("client", "hello", "Renews the access token, or resumes a lost connection.", Some(false), schema::<ClientHello>(schemas)),
        frame(
            "client",
            "join",
            "Joins a channel, or changes what is shown there. Answered by `state`.",
            Some(true),
            schema::<Join>(schemas),
        ),
        frame("client", "leave", "Leaves a channel. Answered by `leave`.", Some(true), schema::<Nothing>(schemas)),
        frame("client", "ping", "Asks whether the server is there.", Some(false), schema::<Nothing>(schemas)),
        frame("client", "pong", "Answers a `ping`.", Some(false), schema::<Nothing>(schemas)),
    ];
    frames.extend([
        frame("server", "hello", "The first frame, and the answer to each `hello`.", Some(false), schema::<ServerHello>(schemas)),
        frame(
            "server",
            "state",
            "Everybody in a channel: after a join, and whenever something was missed.",
            Some(true),
            schema::<State>(schemas),
        ),
        frame("server", "diff", published, Some(true), diff),
        frame("server", "leave", "You are not in the channel any more.", Some(true), schema::<Nothing>(schemas)),
        frame("server", "ping", "Asks whether the client is there. Answer with `pong`.", Some(false), schema::<Nothing>(schemas)),
        frame("server", "pong", "Answers a `ping`.", Some(false), schema::<Nothing>(schemas)),
        frame("server", "error", "A frame was refused; the connection goes on.", None, schema::<Refusal<'_>>(schemas)),
    ]);
    frames
}

/// A reference to the schema of `T`, which is gathered with all it refers to.
fn schema<T: ToSchema + PartialSchema>(schemas: &mut Named) -> Value {
    if schemas.iter().all(|(name, _)| *name != T::name()) {
        schemas.push((T::name().into_owned(), T::schema()));
        let mut inner = Vec::new();
        T::schemas(&mut inner);
        for (name, schema) in inner {
            if schemas.iter().all(|(known, _)| *known != name) {
                schemas.push((name, schema));
            }
        }
    }
    json!({"$ref": format!("#/components/schemas/{}", T::name())})
}

fn description() -> String {
    let mut text = String::from(
        "Presence over WebSocket: join channels, see who is there, follow what changes. `docs/realtime.md` tells the whole \
         of it.\n\nThe server closes with these codes:\n\n| code | reason | meaning |\n|---|---|---|\n",
    );
    text.extend(Close::ALL.iter().map(|close| format!("| {} | `{}` | {} |\n", close.code(), close.reason(), close.meaning())));
    text
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
