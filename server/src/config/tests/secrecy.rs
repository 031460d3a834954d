//! No secret leaves through `Debug`, a fault or a warning.

use super::{KEY, Place};

/// A word that stands in every secret below and nowhere else.
const WORD: &str = "hunter2";

#[test]
fn settings_print_without_their_secrets() {
    let secret = format!("{WORD}-{WORD}-{WORD}-{WORD}-{WORD}");
    let place = Place::production(&[
        ("DATABASE_URL", "postgres://u:hunter2@localhost/k"),
        ("DATABASE_READ_URL", "postgres://u:hunter2@localhost/k"),
        ("REDIS_URL", "redis://:hunter2@redis.example.com"),
        ("SMTP_URL", "smtp://u:hunter2@smtp.example.com"),
        ("SENTRY_DSN", "https://hunter2@sentry.example.com/1"),
        ("KEYSTEAD_VOICE__LIVEKIT_URL", "wss://l.example.com"),
        ("KEYSTEAD_VOICE__LIVEKIT_API_KEY", "key"),
        ("KEYSTEAD_VOICE__LIVEKIT_API_SECRET", &secret),
        ("KEYSTEAD_VOICE__TURN_URLS", "turn:t.example.com"),
        ("KEYSTEAD_VOICE__TURN_SECRET", &secret),
    ]);
    let settings = place.good();
    let printed = format!("{settings:?} {settings:#?} {:?}", settings.warnings());
    assert!(!printed.contains(WORD), "{printed}");
    let first_bytes = format!("{:?}", &settings.master_keys[0].key[..4]);
    assert!(!printed.contains(first_bytes.trim_matches(['[', ']'])) && !printed.contains(&KEY[..8]), "{printed}");
    assert!(printed.contains("MasterKey(default, [hidden])"));
}

#[test]
fn faults_do_not_repeat_secrets() {
    let place = Place::new(&[
        ("KEYSTEAD_MASTER_KEY", "hunter2"),
        ("DATABASE_URL", "mysql://u:hunter2@db/k"),
        ("DATABASE_READ_URL", "postgres://u:hun?hunter2@db/k?hunter2=1"),
        ("REDIS_URL", "hunter2"),
        ("SMTP_URL", "http://u:hunter2@mail"),
        ("SENTRY_DSN", "hunter2"),
        ("KEYSTEAD_PUBLIC_URL", "https://u:hunter2@id.example.com"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:hunter2@otel"),
        ("CORS_ORIGINS", "https://u:hunter2@app"),
        ("KEYSTEAD_VOICE__TURN_SECRET", "hunter2\u{7}"),
        ("KEYSTEAD_VOICE__LIVEKIT_URL", "wss://u:hunter2@livekit"),
        ("KEYSTEAD_UNKNOWN__SECRET", "hunter2"),
        ("KEYSTEAD_MASTER_KEY_FILE", "key-file"),
        ("KEYSTEAD_SECRETS_DIR", "secrets"),
    ])
    .file(".env", "hunter2\nREDIS_URL='hunter2\n")
    .file(".env.local", "SMTP_URL=\"hunter2\" hunter2\n1hunter2=hunter2\n")
    .file("keystead.toml", "[redis]\nurl = hunter2\n")
    .file("key-file", "hunter2hunter2")
    .file("secrets/DATABASE_URL", "hunter2");
    let faults = place.load().unwrap_err();
    assert!(faults.0.len() >= 15, "{faults}");
    let printed = format!("{faults} {faults:?} {}", serde_json::to_string(&faults.0).unwrap());
    assert!(!printed.contains(WORD), "{printed}");
}

#[test]
fn a_broken_file_does_not_show_its_lines() {
    for broken in
        ["master_key = \"hunter2", "master_key = hunter2", "[a]\nb = 1\nb = \"hunter2\"", "= hunter2", "x = [\"hunter2\", [\"hunter2\"]]"]
    {
        let faults = Place::new(&[]).file("keystead.toml", broken).load().unwrap_err();
        assert!(!format!("{faults:?}").contains(WORD), "{faults:?}");
    }
}

#[test]
fn values_are_shown_short_and_without_control_characters() {
    let fault = Place::new(&[]).set("HOST", format!("\u{1b}[31m{}", "x".repeat(500))).only_fault();
    assert!(fault.problem.len() < 120 && !fault.problem.contains('\u{1b}'), "{fault:?}");
}
