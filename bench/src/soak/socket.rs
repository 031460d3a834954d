//! Somebody who is connected by a WebSocket: is seen in a room, sees the others, and is told the transcript.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::cluster::Cluster;
use super::stream::Heard;
use super::talk::Talk;

/// Where everybody is.
const ROOM: &str = "room:soak";

/// A connection that is opened again whenever it is lost.
pub struct Socket(Mutex<State>);

#[derive(Default)]
struct State {
    /// The connection, as others see it; none while there is none.
    id: Option<String>,
    /// The instance it is connected to.
    at: usize,
    resume: Option<String>,
    room: BTreeSet<String>,
    heard: Heard,
    /// Times that something may have been missed, after which the transcript was read.
    gaps: usize,
}

type Line = WebSocketStream<TcpStream>;

impl Socket {
    /// Connects to instance `first`, later to whichever is there.
    pub fn open(tasks: &mut JoinSet<()>, cluster: &Arc<Cluster>, talk: &Arc<Talk>, first: usize) -> Arc<Self> {
        let socket = Arc::new(Self(Mutex::default()));
        let (this, cluster, talk) = (socket.clone(), cluster.clone(), talk.clone());
        tasks.spawn(async move {
            let mut which = first;
            loop {
                if let Some(line) = connect(&cluster, which, &talk.token).await {
                    this.with(|state| state.at = which % 2);
                    this.serve(&cluster, &talk, line).await;
                    this.with(|state| {
                        state.heard.lines += 1;
                        state.id = None;
                    });
                }
                which += 1;
                sleep(Duration::from_millis(100)).await;
            }
        });
        socket
    }

    /// The connection, as others see it.
    pub fn id(&self) -> Option<String> {
        self.with(|state| state.id.clone())
    }

    /// The instance it is connected to.
    pub fn instance(&self) -> usize {
        self.with(|state| state.at)
    }

    /// The connections that it shows in the room.
    pub fn room(&self) -> BTreeSet<String> {
        self.with(|state| state.room.clone())
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.with(|state| state.heard.clone())
    }

    /// How often the transcript had to be read, because something may have been missed.
    pub fn gaps(&self) -> usize {
        self.with(|state| state.gaps)
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows frames until the line is lost.
    async fn serve(&self, cluster: &Cluster, talk: &Talk, mut line: Line) {
        let transcript = format!("transcript:{}", talk.id);
        while let Some(Ok(message)) = line.next().await {
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap_or_default();
            let payload = &frame["payload"];
            let of_transcript = frame["channel"] == transcript.as_str();
            let mut answers = Vec::new();
            match frame["type"].as_str().unwrap_or_default() {
                "hello" => answers = self.hello(payload, &transcript, &format!("voice:{}", talk.id), talk.number),
                "ping" => answers.push(json!({"type": "pong"})),
                "state" if frame["channel"] == ROOM => self.with(|state| state.room = ids(&payload["members"]).collect()),
                "state" if of_transcript => self.read(cluster, talk).await,
                "diff" if frame["channel"] == ROOM => self.with(|state| {
                    state.room.extend(ids(&payload["joins"]));
                    ids(&payload["leaves"]).for_each(|gone| _ = state.room.remove(&gone));
                }),
                "diff" if of_transcript && payload["segments"].is_array() => self.with(|state| {
                    payload["segments"].as_array().into_iter().flatten().for_each(|segment| state.told(segment));
                }),
                "error" => self.with(|state| state.heard.faults.push(format!("a frame was refused: {frame}"))),
                _ => {}
            }
            for answer in answers {
                if line.send(Message::text(answer.to_string())).await.is_err() {
                    return;
                }
            }
        }
    }

    /// What to say to a `hello`: the first of a connection asks for the place of the lost one; what follows joins what was not resumed.
    fn hello(&self, payload: &Value, transcript: &str, voice: &str, number: usize) -> Vec<Value> {
        let text = |name: &str| payload[name].as_str().map(str::to_owned);
        self.with(|state| {
            let lost = state.resume.take();
            state.resume = text("resumeToken");
            if let (Some(resume), None) = (lost, &state.id) {
                // Not known by any id until the answer.
                state.id = Some(String::new());
                return vec![json!({"type": "hello", "payload": {"resume": resume}})];
            }
            state.id = text("connectionId");
            if payload["resumed"] == true {
                return Vec::new();
            }
            let join = |channel: &str| json!({"type": "join", "channel": channel, "payload": {"metadata": {"talk": number}}});
            vec![join(ROOM), join(voice), join(transcript)]
        })
    }

    /// Reads what is stored: the socket tells what happens from now on.
    async fn read(&self, cluster: &Cluster, talk: &Talk) {
        let mut found = super::verdict::read_back(cluster, talk, 0).await;
        if found.is_err() {
            found = super::verdict::read_back(cluster, talk, 1).await;
        }
        self.with(|state| {
            state.gaps += 1;
            match found {
                Ok(segments) => state.caught_up(&segments),
                Err(error) => state.heard.faults.push(format!("the transcript could not be read: {error:#}")),
            }
        });
    }
}

impl State {
    /// A change that was told. After a gap some of it may have been read already.
    fn told(&mut self, segment: &Value) {
        let position = segment["position"].as_i64().unwrap_or(-1);
        if position > self.heard.position || self.gaps == 0 {
            self.heard.segment(segment);
        }
    }

    fn caught_up(&mut self, segments: &[Value]) {
        for segment in segments {
            let number = |name: &str| segment[name].as_i64().unwrap_or(-1);
            self.heard.position = self.heard.position.max(number("position"));
            if segment["final"] == true {
                self.heard.finals.insert(number("seq"), segment["text"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
}

/// Every connection of `members`.
fn ids(members: &Value) -> impl Iterator<Item = String> + '_ {
    let connections = members.as_array().into_iter().flatten().flat_map(|member| member["connections"].as_array().into_iter().flatten());
    connections.filter_map(|connection| connection["id"].as_str().map(str::to_owned))
}

async fn connect(cluster: &Cluster, which: usize, token: &str) -> Option<Line> {
    let address = cluster.address(which)?;
    let mut request = format!("ws://{address}/api/v1/realtime").into_client_request().ok()?;
    let header = |text: &str| HeaderValue::from_str(text).ok();
    request.headers_mut().insert("sec-websocket-protocol", header("keystead.v1")?);
    request.headers_mut().insert("authorization", header(&format!("Bearer {token}"))?);
    let tcp = TcpStream::connect(address).await.ok()?;
    Some(tokio_tungstenite::client_async(request, tcp).await.ok()?.0)
}
