//! SIGTERM and SIGINT: nobody who was promised an answer goes without one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::crash::{message_id, process_with, sign_up, the_code_works, the_queue_is_empty};
use crate::mail::sink::{Sink, Step};
use crate::support::{Ground, PASSWORD, Process, Store, both_stores, eventually};

const IN_FLIGHT: usize = 200;

/// A request that is being answered: its handler waits for the second half of the body.
struct Held {
    stream: TcpStream,
    rest: String,
}

impl Held {
    async fn begin(address: &str, path: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            body.len()
        );
        let (begun, rest) = body.split_at(body.len() / 2);
        stream.write_all(head.as_bytes()).await.unwrap();
        // RFC 9110 section 10.1.1: it comes when the handler asks for the body, so from here on the request is in flight.
        let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        let mut said = vec![0; go_on.len()];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&said), go_on);
        stream.write_all(begun.as_bytes()).await.unwrap();
        Self { stream, rest: rest.to_owned() }
    }

    /// The whole answer.
    async fn finish(mut self) -> String {
        self.stream.write_all(self.rest.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

async fn process_told_to_stop_answers_everyone_in_flight(store: Store) {
    let mut process = Process::spawn(Arc::new(Ground::migrated(store).await), &[]).await;
    let address = process.api.base().trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    for number in 0..IN_FLIGHT {
        let (path, body) = if number % 10 == 0 {
            ("/api/v1/auth/signup", json!({"email": format!("p{number}@example.com"), "name": "P", "password": PASSWORD}))
        } else {
            ("/api/v1/auth/password/forgot", json!({"email": format!("p{number}@example.com")}))
        };
        held.push((number, Held::begin(&address, path, &body.to_string()).await));
    }

    process.signal("TERM");
    eventually("readiness to turn 503", async || (process.ops.probe("/health/ready").await == Some(503)).then_some(())).await;
    assert_eq!(process.ops.probe("/health/live").await, Some(200), "alive to the end");
    assert_eq!(process.ops.probe("/metrics").await, Some(200));
    for (number, held) in held {
        let answer = held.finish().await;
        let wanted = if number % 10 == 0 { "HTTP/1.1 201" } else { "HTTP/1.1 202" };
        assert!(answer.starts_with(wanted) && answer.ends_with('}'), "{answer}");
        assert!(answer.contains("connection: close"), "the client is asked to go elsewhere: {answer}");
    }
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
    assert!(TcpStream::connect(&address).await.is_err());
}

/// The request that never ends is cut at the end of the grace; the process goes all the same.
async fn process_told_to_stop_goes_at_the_end_of_the_grace(store: Store) {
    let env = [("KEYSTEAD_SERVER__SHUTDOWN_GRACE", "500ms")];
    let mut process = Process::spawn(Arc::new(Ground::migrated(store).await), &env).await;
    let address = process.api.base().trim_start_matches("http://").to_owned();
    let _stuck = Held::begin(&address, "/api/v1/auth/password/forgot", r#"{"email": "ada@example.com"}"#).await;
    let asked = tokio::time::Instant::now();
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
    assert!(asked.elapsed() >= Duration::from_millis(500), "the grace was given");
    assert!(process.log().contains("cutting connections"), "{}", process.log());
}

async fn process_interrupted_at_the_keyboard_stops_the_same_way(store: Store) {
    let mut process = Process::spawn(Arc::new(Ground::migrated(store).await), &[]).await;
    process.signal("INT");
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
    assert!(process.log().contains("SIGINT"), "{}", process.log());
}

async fn process_told_to_stop_hands_its_job_back(store: Store) {
    let sink = Sink::start(&[Step::Silence]).await;
    let process = process_with(Arc::new(Ground::migrated(store).await), sink.smtp()).await;
    sign_up(&process).await;
    eventually("the letter on the wire", async || (!sink.letters().is_empty()).then_some(())).await;
    let ground = Arc::clone(&process.ground);
    assert_eq!(process.terminate().await.code(), Some(0));

    // The clock was not moved: a job whose lease still ran would not be touched.
    let process = process_with(ground, sink.smtp()).await;
    eventually("the repeated letter", async || (sink.letters().len() > 1).then_some(())).await;
    the_queue_is_empty(&process).await;
    let letters = sink.letters();
    assert_eq!((letters.len(), message_id(&letters[0])), (2, message_id(&letters[1])));
    the_code_works(&process, &letters[1]).await;
}

/// During the drain delay the instance goes on serving, however long it is beside the grace.
async fn process_told_to_stop_serves_through_the_drain_delay(store: Store) {
    let env = [("KEYSTEAD_SERVER__DRAIN_DELAY", "2s"), ("KEYSTEAD_SERVER__SHUTDOWN_GRACE", "100ms")];
    let mut process = Process::spawn(Arc::new(Ground::migrated(store).await), &env).await;
    let asked = tokio::time::Instant::now();
    process.signal("TERM");
    eventually("readiness to turn 503", async || (process.api.probe("/health/ready").await == Some(503)).then_some(())).await;
    while asked.elapsed() < Duration::from_millis(1500) {
        let request = json!({"email": format!("{}@example.com", asked.elapsed().as_micros()), "password": PASSWORD});
        process.api.post("/api/v1/auth/login", request).await.expect_problem(401, "invalid_credentials");
        process.api.post("/api/v1/auth/password/forgot", json!({"email": "bob@example.com"})).await.expect(202);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
}

both_stores!(
    process_told_to_stop_answers_everyone_in_flight,
    process_told_to_stop_goes_at_the_end_of_the_grace,
    process_interrupted_at_the_keyboard_stops_the_same_way,
    process_told_to_stop_hands_its_job_back,
    process_told_to_stop_serves_through_the_drain_delay,
);
