//! What is said in a voice session, posted, heard live and read back.

#[path = "tests/across.rs"]
mod across;
#[path = "tests/ceiling.rs"]
mod ceiling;
#[path = "tests/channel.rs"]
mod channel;
#[path = "tests/closing.rs"]
mod closing;
#[path = "tests/export.rs"]
mod export;
#[path = "tests/listening.rs"]
mod listening;
#[path = "tests/posting.rs"]
mod posting;
#[path = "tests/refusals.rs"]
mod refusals;
#[path = "tests/services.rs"]
mod services;
#[path = "tests/tickets.rs"]
mod tickets;

use keystead::args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Client, Instance, SignedIn};

/// A voice session of somebody, and its transcript.
pub struct Talk {
    /// Its id.
    pub id: Uuid,
    /// Where its transcript is.
    pub path: String,
}

impl Talk {
    /// Begins one that goes on for ten minutes.
    pub async fn begin(instance: &Instance, owner: &SignedIn) -> Self {
        let app = &instance.running.app;
        let now = app.ground.clock.now();
        let (id, owner): (Uuid, Uuid) = (app.ground.random.uuid(now), owner.id().parse().unwrap());
        let ends_at = now.plus(std::time::Duration::from_secs(600));
        let sql = "INSERT INTO voice_sessions (id, owner_id, created_at, last_active_at, ends_at) VALUES ($1, $2, $3, $3, $4)";
        assert_eq!(instance.change(sql, args![id, owner, now, ends_at]).await, 1);
        Self { id, path: format!("/api/v1/voice/sessions/{id}/transcript") }
    }

    /// Ends it now.
    pub async fn end(&self, instance: &Instance) {
        let sql = "UPDATE voice_sessions SET ends_at = $2, end_reason = 'ended' WHERE id = $1";
        assert_eq!(instance.change(sql, args![self.id, instance.clock.now()]).await, 1);
    }

    /// Where it is heard live.
    pub fn stream(&self) -> String {
        format!("{}/stream", self.path)
    }

    /// Posts segments.
    pub async fn post(&self, api: &Client, segments: Value) -> Answer {
        api.post(&self.path, json!({ "segments": segments })).await
    }

    /// Posts final segments, one for each number, with the number as text.
    pub async fn say(&self, api: &Client, seqs: impl IntoIterator<Item = i64>) {
        let segments: Vec<Value> = seqs.into_iter().map(|seq| said(seq, &seq.to_string())).collect();
        let count = segments.len();
        assert_eq!(self.post(api, segments.into()).await.expect(202).body, json!({ "accepted": count }));
    }

    /// The whole transcript as `(seq, text)`.
    pub async fn read(&self, api: &Client) -> Vec<(i64, String)> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("{}?limit=200{cursor}", self.path)).await.expect(200);
            all.extend(page.body["items"].as_array().unwrap().iter().map(pair));
            match page.body["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }
}

/// A final segment.
pub fn said(seq: i64, text: &str) -> Value {
    json!({"seq": seq, "speaker": "Ada", "text": text, "startMs": 1000, "endMs": 2000, "final": true})
}

/// The same as it is understood so far.
pub fn partial(seq: i64, text: &str) -> Value {
    let mut segment = said(seq, text);
    segment["final"] = json!(false);
    segment
}

fn pair(segment: &Value) -> (i64, String) {
    (segment["seq"].as_i64().unwrap(), segment["text"].as_str().unwrap().to_owned())
}

/// `(seq, text)` of numbers that were said as themselves.
pub fn numbers(seqs: impl IntoIterator<Item = i64>) -> Vec<(i64, String)> {
    seqs.into_iter().map(|seq| (seq, seq.to_string())).collect()
}
