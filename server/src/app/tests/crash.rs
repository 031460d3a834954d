//! A process that dies between a commit and the mail it causes.

use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;

use crate::mail::sink::{Sink, Step};
use crate::support::{Ground, PASSWORD, Process, Store, both_stores, eventually};

const ADA: &str = "ada@example.com";

/// Longer than a worker that died keeps a job.
const LEASE_SECONDS: u64 = 61;

pub async fn process_with(ground: Arc<Ground>, smtp_url: &str) -> Process {
    let env = [
        ("SMTP_URL", smtp_url),
        ("MAIL_FROM", "Keystead <no-reply@mail.example.com>"),
        ("KEYSTEAD_DEV__CLOCK", "true"),
        ("KEYSTEAD_SERVER__SHUTDOWN_GRACE", "1s"),
    ];
    Process::spawn(ground, &env).await
}

pub async fn sign_up(process: &Process) {
    process.api.post("/api/v1/auth/signup", json!({"email": ADA, "name": "Ada", "password": PASSWORD})).await.expect(201);
}

/// The code in a letter as it came over the wire, proved by using it.
pub async fn the_code_works(process: &Process, letter: &str) {
    let code = letter.lines().map(str::trim).find(|line| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit()));
    let code = code.unwrap_or_else(|| panic!("no code in\n{letter}"));
    process.api.post("/api/v1/auth/verify-email", json!({"email": ADA, "code": code})).await.expect(200);
}

pub fn message_id(letter: &str) -> &str {
    letter.lines().find(|line| line.starts_with("Message-ID: ")).unwrap_or_else(|| panic!("no Message-ID in\n{letter}"))
}

pub async fn the_queue_is_empty(process: &Process) {
    eventually("an empty queue", async || {
        let health = process.ops.get("/health").await.body;
        (health["checks"]["queue"]["detail"] == "0 queued, 0 running").then_some(())
    })
    .await;
}

async fn process_killed_before_the_mail_left_sends_it_afterwards(store: Store) {
    // A mail server that accepts the call and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", mute.local_addr().unwrap());
    let process = process_with(Arc::new(Ground::migrated(store).await), &url).await;
    sign_up(&process).await;
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(5), mute.accept()).await;
    let (_held, _) = waiting.expect("the worker calls the mail server").unwrap();
    let ground = process.kill9().await;

    let sink = Sink::start(&[]).await;
    let process = process_with(ground, sink.smtp()).await;
    process.api.post("/dev/clock", json!({"advance": LEASE_SECONDS})).await.expect(200);
    eventually("the mail", async || (!sink.letters().is_empty()).then_some(())).await;
    the_code_works(&process, &sink.letters()[0]).await;
    the_queue_is_empty(&process).await;
    assert_eq!(sink.letters().len(), 1);
}

async fn process_killed_while_the_mail_leaves_sends_the_same_mail_again(store: Store) {
    let sink = Sink::start(&[Step::Silence]).await;
    let process = process_with(Arc::new(Ground::migrated(store).await), sink.smtp()).await;
    sign_up(&process).await;
    eventually("the letter on the wire", async || (!sink.letters().is_empty()).then_some(())).await;
    let ground = process.kill9().await;

    let process = process_with(ground, sink.smtp()).await;
    process.api.post("/dev/clock", json!({"advance": LEASE_SECONDS})).await.expect(200);
    eventually("the repeated letter", async || (sink.letters().len() > 1).then_some(())).await;
    the_queue_is_empty(&process).await;
    let letters = sink.letters();
    assert_eq!(letters.len(), 2);
    assert_eq!(message_id(&letters[0]), message_id(&letters[1]), "so that a mail system drops the second");
    assert_eq!(letters[0], letters[1]);
    the_code_works(&process, &letters[1]).await;
}

both_stores!(process_killed_before_the_mail_left_sends_it_afterwards, process_killed_while_the_mail_leaves_sends_the_same_mail_again);
