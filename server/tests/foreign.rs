//! Clients that nobody here wrote, each unchanged and pinned, against a real instance: the providers of OpenFeature,
//! the OAuth and OpenID Connect libraries that applications use, and a browser. `scripts/test-deps` installs them.

#[path = "foreign/flags.rs"]
mod flags;
#[path = "foreign/oauth.rs"]
mod oauth;
#[path = "foreign/openidconnect.rs"]
mod openidconnect;
#[path = "foreign/pages.rs"]
mod pages;
#[path = "foreign/realtime.rs"]
mod realtime;
#[path = "foreign/transcripts.rs"]
mod transcripts;
#[path = "foreign/voice.rs"]
mod voice;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;

use crate::support::{Builder, Instance, Store};

/// An instance whose issuer is where it listens, as foreign clients insist. Each has a loopback address of its own, so that
/// no other process can take its port before it does.
fn reachable(store: Store) -> Builder {
    static PORT: AtomicU16 = AtomicU16::new(20_000);
    let (pid, port) = (std::process::id(), PORT.fetch_add(1, Ordering::Relaxed));
    let host = format!("127.{}.{}.{}", 64 + (pid >> 16) % 64, (pid >> 8) & 255, pid & 255);
    let url = format!("http://{host}:{port}");
    Instance::builder(store).set("HOST", host).set("PORT", port).set("KEYSTEAD_PUBLIC_URL", url)
}

/// Runs a script of `foreign/`, which reads `given` and fails where the client and the server do not understand each other.
async fn run(script: &'static str, given: Value) {
    let waited = tokio::task::spawn_blocking(move || run_blocking(script, &given)).await;
    waited.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
}

fn run_blocking(script: &str, given: &Value) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign");
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../target").to_owned());
    let program = if script.ends_with(".py") { format!("{target}/test-venv/bin/python") } else { "node".to_owned() };
    let mut command = Command::new(&program);
    command.arg(format!("{folder}/{script}")).env("PYTHONDONTWRITEBYTECODE", "1");
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{program}: {error}; `make test-deps` installs it"));
    // A script that dies before it reads says why on standard error.
    let _ = child.stdin.take().unwrap().write_all(given.to_string().as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{script} failed (are its libraries installed? `make test-deps`):\n{said}");
}
