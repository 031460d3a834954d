//! Server-sent events as a client reads them (WHATWG HTML, section 9.2.6).

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

/// How long a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(10);

/// An event stream that is being read.
pub struct Events {
    response: reqwest::Response,
    rest: String,
    ready: VecDeque<Sent>,
    /// The last `id`, with which a client comes again.
    pub last_id: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Its name.
    pub event: String,
    /// The `id` that it was sent with.
    pub id: String,
    /// Its data.
    pub data: Value,
}

impl Events {
    /// Reads the answer to a request for a stream.
    pub fn of(response: reqwest::Response) -> Self {
        Self { response, rest: String::new(), ready: VecDeque::new(), last_id: String::new() }
    }

    /// The next event; `None` at the end of the stream, also where it broke off.
    pub async fn next(&mut self) -> Option<Sent> {
        tokio::time::timeout(PATIENCE, self.read()).await.unwrap_or_else(|_| panic!("no event came; the last was {}", self.last_id))
    }

    /// The next event, which must have this name.
    pub async fn expect(&mut self, event: &str) -> Sent {
        let sent = self.next().await.unwrap_or_else(|| panic!("the stream ended where {event} was to come"));
        assert_eq!(sent.event, event, "{sent:?}");
        sent
    }

    /// The next so many segments, as `(seq, text)`.
    pub async fn segments(&mut self, count: usize) -> Vec<(i64, String)> {
        let mut heard = Vec::with_capacity(count);
        for _ in 0..count {
            let sent = self.expect("segment").await;
            heard.push((sent.data["seq"].as_i64().unwrap(), sent.data["text"].as_str().unwrap().to_owned()));
        }
        heard
    }

    async fn read(&mut self) -> Option<Sent> {
        loop {
            if let Some(sent) = self.ready.pop_front() {
                return Some(sent);
            }
            // A stream that breaks off is over for its reader, too.
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.rest.push_str(std::str::from_utf8(&chunk).expect("events are sent whole"));
            while let Some(end) = self.rest.find("\n\n") {
                let block: String = self.rest.drain(..end + 2).collect();
                self.take(&block);
            }
        }
    }

    fn take(&mut self, block: &str) {
        let (mut event, mut data) = (String::new(), String::new());
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut event),
                "data" => data.push_str(value),
                "id" => value.clone_into(&mut self.last_id),
                _ => {}
            }
        }
        if !data.is_empty() {
            let data = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
            self.ready.push_back(Sent { event, id: self.last_id.clone(), data });
        }
    }
}
