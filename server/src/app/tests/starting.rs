//! The start: what people are told when it works, and when it does not.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::json;

use super::story;
use crate::support::{Ground, PASSWORD, Process, Store, both_stores};

async fn process_that_is_ready_prints_where_to_click(store: Store) {
    let ground = Arc::new(Ground::migrated(store).await);
    let mut process = Process::spawn(ground, &[("KEYSTEAD_PUBLIC_URL", "http://id.localhost:8080")]).await;
    let answer = process.answer();
    for (line, path) in [
        ("  Address    http://id.localhost:8080\n", "/"),
        ("  API docs   http://id.localhost:8080/api/docs\n", "/api/docs"),
        ("  Mailbox    http://id.localhost:8080/dev/mailbox\n", "/dev/mailbox"),
    ] {
        assert!(answer.contains(line), "{line:?} is not in\n{answer}");
        process.api.get(path).await.expect(200);
    }
    assert!(answer.contains(&format!("  Metrics    {}/metrics\n", process.ops.base())), "{answer}");
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0));
}

#[expect(clippy::print_stdout, reason = "a figure for people, not a verdict")]
async fn process_started_again_goes_on_where_the_first_stopped(store: Store) {
    let env = [("TRUSTED_PROXIES", "127.0.0.1/32"), ("KEYSTEAD_ACCOUNTS__REQUIRE_VERIFIED_EMAIL", "false")];
    let first = Process::spawn(Arc::new(Ground::empty(store).await), &env).await;
    let form = json!({"email": story::EMAIL, "name": "Ada", "password": PASSWORD, "transport": "body"});
    let signed_in = first.api.post("/api/v1/auth/signup", form).await.expect(201);
    let ground = Arc::clone(&first.ground);
    assert_eq!(first.terminate().await.code(), Some(0));

    let began = std::time::Instant::now();
    let second = Process::spawn(ground, &env).await;
    println!("from the start of the process to ready, on existing data: {:?}", began.elapsed());
    second.api.with_token(signed_in.str("/accessToken")).get("/api/v1/auth/me").await.expect(200);
    let refresh = json!({"refreshToken": signed_in.str("/refreshToken")});
    second.api.post("/api/v1/auth/refresh", refresh).await.expect(200);
}

async fn process_with_another_master_key_says_so(store: Store) {
    let ground = Arc::new(Ground::migrated(store).await);
    let other = [("KEYSTEAD_MASTER_KEY", "b3RoZXItdGVzdC1tYXN0ZXIta2V5LTMyLWJ5dGVzISE=")];
    let mut process = Process::spawn_unready(ground, &other);
    assert_eq!(process.ended().await.code(), Some(1), "{}", process.log());
    let log = process.log();
    assert!(log.contains("error: the configured master key is not the one that this data was sealed with"), "{log}");
    assert!(log.contains("set KEYSTEAD_MASTER_KEY"), "{log}");
}

async fn process_whose_port_is_taken_says_so(store: Store) {
    let ground = Arc::new(Ground::migrated(store).await);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    for env in [("PORT", port.as_str()), ("KEYSTEAD_OPS_ADDR", address.as_str())] {
        let mut process = Process::spawn_unready(Arc::clone(&ground), &[env]);
        assert_eq!(process.ended().await.code(), Some(1), "{}", process.log());
        let log = process.log();
        assert!(log.contains(&format!("error: cannot listen on {address}")) && log.contains(env.0), "{env:?}: {log}");
    }
}

both_stores!(
    process_that_is_ready_prints_where_to_click,
    process_started_again_goes_on_where_the_first_stopped,
    process_with_another_master_key_says_so,
    process_whose_port_is_taken_says_so,
);

#[test]
fn process_in_production_lists_every_fault_before_it_touches_anything() {
    let dir = tempfile::tempdir().unwrap();
    let env = [("KEYSTEAD_ENV", "production"), ("CORS_ORIGINS", "*"), ("KEYSTEAD_SERVER__INSTANCES", "2"), ("PORT", "eighty")];
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
    let output = command.arg("serve").env_clear().envs(env).current_dir(dir.path()).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    let names =
        ["PORT", "CORS_ORIGINS", "DATABASE_URL", "REDIS_URL", "KEYSTEAD_MASTER_KEY", "KEYSTEAD_PUBLIC_URL", "SMTP_URL", "MAIL_FROM"];
    for name in names {
        assert!(told.lines().any(|line| line.starts_with(&format!("error: {name}"))), "{name} is not named in\n{told}");
    }
    assert_eq!(told.lines().filter(|line| line.starts_with("  → ")).count(), names.len(), "each with what to do:\n{told}");
    assert!(told.ends_with(&format!("{} settings to mend.\n", names.len())), "{told}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is created");
}
