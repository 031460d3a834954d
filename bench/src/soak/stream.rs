//! Somebody who hears a transcript as server-sent events, and comes again where they were when the line is lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cluster::Cluster;
use super::talk::Talk;

/// What somebody heard.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Final segments, by number.
    pub finals: BTreeMap<i64, String>,
    /// The position of the last change.
    pub position: i64,
    /// Lines that were lost and taken up again.
    pub lines: usize,
    /// What must not be.
    pub faults: Vec<String>,
}

impl Heard {
    /// Takes a segment that was told live: never the same change twice, never one after a later one.
    pub fn segment(&mut self, segment: &Value) {
        let number = |name: &str| segment[name].as_i64().unwrap_or(-1);
        let (seq, position) = (number("seq"), number("position"));
        if position <= self.position {
            self.faults.push(format!("position {position} was told after {}", self.position));
        }
        self.position = position;
        if segment["final"] == true {
            self.last(seq, segment["text"].as_str().unwrap_or_default());
        } else if self.finals.contains_key(&seq) {
            self.faults.push(format!("segment {seq} was partial again after it was final"));
        }
    }

    fn last(&mut self, seq: i64, text: &str) {
        let newest = self.finals.last_key_value().map(|(seq, _)| *seq);
        if newest.is_some_and(|newest| seq <= newest) {
            self.faults.push(format!("the final segment {seq} was told after {newest:?}"));
        }
        self.finals.insert(seq, text.to_owned());
    }
}

/// A listener.
pub struct Stream(Mutex<Heard>);

impl Stream {
    /// Listens to `talk`, from instance `first` on.
    pub fn listen(tasks: &mut JoinSet<()>, cluster: &Arc<Cluster>, talk: &Arc<Talk>, first: usize) -> Arc<Self> {
        let stream = Arc::new(Self(Mutex::default()));
        let (this, cluster, talk) = (stream.clone(), cluster.clone(), talk.clone());
        tasks.spawn(async move {
            let (mut which, mut last) = (first, None);
            loop {
                this.line(&cluster, &talk, which, &mut last).await;
                this.with(|heard| heard.lines += 1);
                which += 1;
                sleep(Duration::from_millis(50)).await;
            }
        });
        stream
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.with(|heard| heard.clone())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Heard) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hears until the line is lost.
    async fn line(&self, cluster: &Cluster, talk: &Talk, which: usize, last: &mut Option<String>) {
        let Some(mut answer) = cluster.hear(which, &format!("{}/stream", talk.path()), &talk.token, last.as_deref()).await else { return };
        if answer.status() != 200 {
            let status = answer.status().as_u16();
            if status < 500 {
                self.with(|heard| heard.faults.push(format!("the stream was answered {status}")));
            }
            return;
        }
        let mut text = String::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            text.push_str(&String::from_utf8_lossy(&chunk));
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                self.event(&event, last);
            }
        }
    }

    fn event(&self, event: &str, last: &mut Option<String>) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let data: Value = field("data").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        if let Some(id) = field("id") {
            *last = Some(id.to_owned());
        }
        match field("event") {
            Some("segment") => self.with(|heard| heard.segment(&data)),
            Some("revoked" | "end") => self.with(|heard| heard.faults.push(format!("an event that nobody caused: {event}"))),
            _ => {}
        }
    }
}
