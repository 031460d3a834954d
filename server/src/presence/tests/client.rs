//! A client that speaks frames, and nothing by itself: a test sees all that it is sent.

use std::fmt;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Instance, SignedIn};

const PATIENCE: Duration = Duration::from_secs(10);

/// An open connection.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// What the server said first.
    pub hello: Value,
}

/// How opening a connection was answered when it was not opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub code: String,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.id())
    }
}

/// A request to open a connection.
pub struct Opening {
    host: String,
    path: String,
    headers: Vec<(&'static str, String)>,
}

impl Opening {
    pub fn new(instance: &Instance, path: &str) -> Self {
        let host = instance.base().trim_start_matches("http://").to_owned();
        Self { host, path: path.to_owned(), headers: vec![("sec-websocket-protocol", "keystead.v1".to_owned())] }
    }

    /// In place of what it had.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    /// The handshake alone.
    pub async fn shake(self) -> Result<(WebSocketStream<TcpStream>, Response), Refused> {
        let mut request = format!("ws://{}{}", self.host, self.path).into_client_request().unwrap();
        for (name, value) in self.headers.iter().filter(|(_, value)| !value.is_empty()) {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        let tcp = TcpStream::connect(&self.host).await.unwrap();
        match tokio_tungstenite::client_async(request, tcp).await {
            Ok(open) => Ok(open),
            Err(Error::Http(answer)) => {
                let body: Value = serde_json::from_slice(answer.body().as_deref().unwrap_or_default()).unwrap_or_default();
                Err(Refused { status: answer.status().as_u16(), code: body["code"].as_str().unwrap_or_default().to_owned() })
            }
            // The library itself refuses what the server chose.
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    pub async fn open(self) -> Result<Socket, Refused> {
        let (stream, response) = self.shake().await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], "keystead.v1", "the token is not echoed");
        let mut socket = Socket { stream, hello: Value::Null };
        socket.hello = socket.next().await;
        assert_eq!(socket.hello["type"], "hello");
        Ok(socket)
    }
}

pub async fn ticket(person: &SignedIn) -> String {
    person.api.post("/api/v1/realtime/ticket", json!({})).await.expect(201).str("/ticket").to_owned()
}

impl Socket {
    /// A connection of `person` to `instance`, by a ticket of that instance.
    pub async fn of(instance: &Instance, person: &SignedIn) -> Self {
        let made = instance.with_token(&person.access_token).post("/api/v1/realtime/ticket", json!({})).await.expect(201);
        Opening::new(instance, &format!("/api/v1/realtime?ticket={}", made.str("/ticket"))).open().await.unwrap()
    }

    /// A connection that has joined `channel`, and its state.
    pub async fn joined(instance: &Instance, person: &SignedIn, channel: &str, metadata: Value) -> (Self, Value) {
        let mut socket = Self::of(instance, person).await;
        let state = socket.join(channel, metadata).await;
        (socket, state)
    }

    pub fn id(&self) -> &str {
        self.hello["payload"]["connectionId"].as_str().unwrap_or_default()
    }

    pub fn resume_token(&self) -> &str {
        self.hello["payload"]["resumeToken"].as_str().unwrap_or_default()
    }

    pub async fn send(&mut self, frame: Value) {
        self.raw(Message::text(frame.to_string())).await;
    }

    pub async fn raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// The next frame, whatever it is.
    pub async fn next(&mut self) -> Value {
        loop {
            match tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("a frame was expected: {other:?}"),
            }
        }
    }

    /// The next frame of a type; pings in between are answered, anything else fails.
    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
            assert_eq!(frame["type"], "ping", "{kind} was expected: {frame}");
            self.send(json!({"type": "pong"})).await;
        }
    }

    /// Sends a frame and returns its answer, which has its `ref`; diffs that come in between are dropped.
    pub async fn ask(&mut self, mut frame: Value) -> Value {
        frame["ref"] = json!("asked");
        self.send(frame).await;
        loop {
            let answer = self.next().await;
            if answer["ref"] == "asked" {
                return answer;
            }
        }
    }

    /// Joins a channel; the members.
    pub async fn join(&mut self, channel: &str, metadata: Value) -> Value {
        let state = self.ask(json!({"type": "join", "channel": channel, "payload": {"metadata": metadata}})).await;
        assert_eq!((&state["type"], &state["channel"]), (&json!("state"), &json!(channel)), "{state}");
        state["payload"]["members"].clone()
    }

    /// A diff about a connection: `joins` or `leaves`, and the member. Everything else in between is dropped.
    pub async fn told(&mut self, what: &str, connection: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == "ping" {
                self.send(json!({"type": "pong"})).await;
            }
            let mut members = frame["payload"][what].as_array().into_iter().flatten();
            if let Some(member) = members.find(|member| member.to_string().contains(connection)) {
                return member.clone();
            }
        }
    }

    /// Waits until the server closes; the code.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a close in time") {
                Some(Ok(Message::Close(Some(frame)))) => {
                    // The library answers the close when it is polled once more.
                    let _ = tokio::time::timeout(PATIENCE, self.stream.next()).await;
                    return frame.code.into();
                }
                Some(Ok(_)) => {}
                other => panic!("a close was expected: {other:?}"),
            }
        }
    }

    /// Breaks the line without a word.
    pub fn cut(self) {
        drop(self.stream);
    }

    /// Closes as a browser does.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while self.stream.next().await.is_some_and(|message| message.is_ok()) {}
    }

    /// Nothing more comes, as far as a question that is answered in order can tell.
    pub async fn is_quiet(&mut self) {
        self.send(json!({"type": "ping", "ref": "quiet"})).await;
        let frame = self.next().await;
        assert_eq!(frame["ref"], "quiet", "nothing was expected: {frame}");
    }
}
