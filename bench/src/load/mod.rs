//! Load over HTTP from a process of its own, so that its processor time is nobody's but its own.
//!
//! The parent writes a [`Plan`] to the child's standard input and reads an [`Outcome`] from its standard output.
//! Connections are kept alive, one request is under way on each, and the client does as little as a client can:
//! it writes prepared bytes and looks for the end of the answer.

mod client;
mod worker;

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

pub use worker::run;

/// What to send.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Work {
    /// These requests again and again until the time is over.
    Repeat(Vec<String>),
    /// Each of these once.
    Once(Vec<String>),
    /// Refreshes of these tokens, each answered token replacing its predecessor, until the time is over.
    Refresh(Vec<String>),
}

/// How to send it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Plan {
    /// Where to.
    pub addr: SocketAddr,
    /// Connections, each with one request under way.
    pub connections: usize,
    /// For how long; `Once` ends when all is sent.
    pub seconds: f64,
    /// Requests per second over all connections; none: as fast as they are answered.
    pub pace: Option<f64>,
    /// What.
    pub work: Work,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Outcome {
    /// Answers with status 200.
    pub answered: u32,
    /// Others, and the first of them.
    pub failed: u32,
    /// The first answer that was not 200.
    pub first_failure: Option<String>,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Mean time to an answer, in milliseconds.
    pub mean_ms: f64,
    /// Half of the answers came within this time.
    pub p50_ms: f64,
    /// 99 of 100 answers came within this time.
    pub p99_ms: f64,
    /// With `Refresh`: the tokens that are current now.
    pub tokens: Vec<String>,
}

impl Outcome {
    /// Answers per second.
    pub fn rate(&self) -> f64 {
        f64::from(self.answered) / self.seconds
    }
}

/// Load that is under way.
pub struct Running(Child);

impl Plan {
    /// As fast as `connections` go, for `during`.
    pub fn flat_out(addr: SocketAddr, connections: usize, during: Duration, work: Work) -> Self {
        Self { addr, connections, seconds: during.as_secs_f64(), pace: None, work }
    }

    /// Starts the child.
    pub fn start(&self) -> Result<Running> {
        let mut child = Command::new(std::env::current_exe()?).arg("load").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("a pipe was asked for")?;
        stdin.write_all(&serde_json::to_vec(self)?)?;
        Ok(Running(child))
    }

    /// Starts the child and waits until it is done; every answer must be a 200.
    pub fn run(&self) -> Result<Outcome> {
        self.start()?.finish()
    }
}

impl Running {
    /// Waits for the end; every answer must have been a 200.
    pub fn finish(self) -> Result<Outcome> {
        let output = self.0.wait_with_output()?;
        ensure!(output.status.success(), "the load process failed");
        let outcome: Outcome = serde_json::from_slice(&output.stdout)?;
        ensure!(
            outcome.failed == 0,
            "{} of {} answers were not 200, the first: {:?}",
            outcome.failed,
            outcome.answered + outcome.failed,
            outcome.first_failure
        );
        Ok(outcome)
    }
}

/// A GET of `path` with an access token.
pub fn get(path: &str, token: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n")
}

/// A POST of a JSON body.
pub fn post(path: &str, body: &str) -> String {
    post_text(path, "application/json", body)
}

/// A POST of anything.
pub fn post_text(path: &str, content_type: &str, body: &str) -> String {
    post_with("", path, content_type, body)
}

/// A POST of anything with an access token.
pub fn post_as(token: &str, path: &str, content_type: &str, body: &str) -> String {
    post_with(&format!("authorization: Bearer {token}\r\n"), path, content_type, body)
}

fn post_with(headers: &str, path: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}")
}
