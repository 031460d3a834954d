//! What production refuses, one by one, and what staging allows.

use super::{KEY, Place};

fn refused(changes: &[(&str, &str)]) -> String {
    let fault = Place::production(changes).only_fault();
    format!("{fault} → {}", fault.mend)
}

#[test]
fn a_proper_production_configuration_is_accepted_without_warnings() {
    let settings =
        Place::production(&[("DATABASE_URL", "postgres://u:p@db.example.com/k?sslmode=require"), ("REDIS_URL", "rediss://r.example.com")])
            .good();
    assert_eq!(settings.warnings(), []);
    assert!(settings.is_https() && !settings.is_development());
    assert_eq!(settings.log.format, keystead::config::LogFormat::Json);
}

#[test]
fn nothing_configured_names_everything_that_is_missing() {
    let names: Vec<String> = Place::new(&[("KEYSTEAD_ENV", "production")]).bad().into_iter().map(|fault| fault.name).collect();
    assert_eq!(names, ["KEYSTEAD_MASTER_KEY", "KEYSTEAD_PUBLIC_URL", "SMTP_URL", "MAIL_FROM"]);
}

#[test]
fn missing_pieces_are_refused() {
    assert!(refused(&[("KEYSTEAD_MASTER_KEY", "")]).starts_with("KEYSTEAD_MASTER_KEY: is missing"));
    assert!(refused(&[("SMTP_URL", "")]).starts_with("SMTP_URL: is missing"));
    assert!(refused(&[("MAIL_FROM", "")]).starts_with("MAIL_FROM: is missing"));
}

#[test]
fn plain_http_is_refused() {
    assert!(refused(&[("KEYSTEAD_PUBLIC_URL", "http://id.example.com")]).starts_with("KEYSTEAD_PUBLIC_URL (environment): is plain http"));
    assert!(refused(&[("KEYSTEAD_PUBLIC_URL", "http://localhost:8080")]).contains("is plain http"));
    assert!(refused(&[("KEYSTEAD_PUBLIC_URL", "")]).starts_with("KEYSTEAD_PUBLIC_URL: is plain http"));
}

#[test]
fn wildcard_origins_are_refused_and_a_development_matter() {
    assert!(refused(&[("CORS_ORIGINS", "*")]).contains("every site"));
    assert_eq!(Place::new(&[("CORS_ORIGINS", "*")]).good().cors_origins, ["*"]);
}

#[test]
fn several_instances_need_postgres_and_redis() {
    let faults = Place::production(&[("KEYSTEAD_SERVER__INSTANCES", "3")]).bad();
    assert_eq!(faults.iter().map(|fault| fault.name.as_str()).collect::<Vec<_>>(), ["DATABASE_URL", "REDIS_URL"]);
    Place::production(&[
        ("KEYSTEAD_SERVER__INSTANCES", "3"),
        ("DATABASE_URL", "postgres://u:p@db.example.com/k?sslmode=require"),
        ("REDIS_URL", "redis-cluster://a:6379,b:6379"),
    ])
    .good();
}

#[test]
fn keys_that_nobody_drew_are_refused() {
    let counted: Vec<u8> = (0..32).collect();
    for key in [vec![7; 32], vec![0; 32], counted, b"abababababababababababababababab".to_vec()] {
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key);
        assert!(refused(&[("KEYSTEAD_MASTER_KEY", &encoded)]).contains("not drawn at random"));
        Place::new(&[("KEYSTEAD_MASTER_KEY", &encoded)]).good();
    }
}

#[test]
fn short_secrets_are_refused() {
    let turn = [("KEYSTEAD_VOICE__TURN_URLS", "turn:t.example.com"), ("KEYSTEAD_VOICE__TURN_SECRET", "only thirty-one bytes of secret")];
    assert!(refused(&turn).contains("is 31 bytes long"));
    let livekit = [
        ("KEYSTEAD_VOICE__LIVEKIT_URL", "wss://l.example.com"),
        ("KEYSTEAD_VOICE__LIVEKIT_API_KEY", "APIabc"),
        ("KEYSTEAD_VOICE__LIVEKIT_API_SECRET", "devsecret"),
    ];
    assert!(refused(&livekit).contains("is 9 bytes long"));
    Place::new(&livekit).good();
}

#[test]
fn postgres_needs_tls_unless_it_is_on_this_machine() {
    for url in
        ["postgres://u:p@db.example.com/k", "postgres://u:p@db.example.com/k?sslmode=prefer", "postgres://u:p@localhost,db.example.com/k"]
    {
        assert!(refused(&[("DATABASE_URL", url)]).contains("in the clear"), "{url}");
    }
    let primary = ("DATABASE_URL", "postgres://localhost/k");
    assert!(refused(&[primary, ("DATABASE_READ_URL", "postgres://replica.example.com/k")]).starts_with("DATABASE_READ_URL"));
    for url in [
        "postgres://u:p@localhost/k",
        "postgres://u:p@127.0.0.1:5433/k",
        "postgres://u:p@[::1]/k",
        "postgres:///k?host=/var/run/postgresql",
    ] {
        Place::production(&[("DATABASE_URL", url)]).good();
    }
}

#[test]
fn the_test_clock_is_refused() {
    assert!(refused(&[("KEYSTEAD_DEV__CLOCK", "true")]).contains("move the time"));
    assert!(Place::new(&[("KEYSTEAD_DEV__CLOCK", "true")]).good().dev_clock);
}

#[cfg(unix)]
fn chmod(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn a_data_folder_that_others_can_enter_is_refused() {
    let place = Place::production(&[]).file("data/.keep", "");
    chmod(&place.path("data"), 0o750);
    let fault = place.only_fault();
    assert!(fault.name == "KEYSTEAD_DATA_DIR" && fault.problem.contains("mode 750") && fault.mend.contains("chmod 700"), "{fault:?}");
    chmod(&place.path("data"), 0o700);
    place.good();
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_everyone_can_read_is_refused() {
    let place = Place::production(&[("KEYSTEAD_MASTER_KEY", ""), ("KEYSTEAD_MASTER_KEY_FILE", "key"), ("PORT_FILE", "port")]);
    let place = place.file("key", KEY).file("port", "8081");
    chmod(&place.path("key"), 0o604);
    chmod(&place.path("port"), 0o644);
    let fault = place.only_fault();
    assert!(fault.name == "KEYSTEAD_MASTER_KEY" && fault.mend.contains("chmod 600"), "{fault:?}");
    chmod(&place.path("key"), 0o640);
    place.good();
}

#[test]
fn staging_is_production_except_for_http_on_loopback() {
    let staging = ("KEYSTEAD_ENV", "staging");
    Place::production(&[staging, ("KEYSTEAD_PUBLIC_URL", "http://127.0.0.1:8080")]).good();
    assert!(refused(&[staging, ("KEYSTEAD_PUBLIC_URL", "http://id.example.com")]).contains("staging serves people over https only"));
    assert!(refused(&[staging, ("SMTP_URL", "")]).contains("no mailbox page in staging"));
    assert!(refused(&[staging, ("KEYSTEAD_DEV__CLOCK", "true")]).contains("move the time"));
}

#[test]
fn what_is_merely_unwise_is_a_warning() {
    let place = Place::production(&[
        ("KEYSTEAD_LIMITS__ENABLED", "false"),
        ("KEYSTEAD_PASSWORDS__ARGON2_MEMORY_KIB", "8192"),
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("SMTP_URL", "smtp://smtp.example.com"),
        ("REDIS_URL", "redis://redis.example.com"),
        ("KEYSTEAD_TOKENS__ACCESS_TTL", "2h"),
        ("CORS_ORIGINS", "http://app.example.com"),
    ]);
    assert_eq!(place.good().warnings().len(), 7);
    assert_eq!(Place::production(&[("SMTP_URL", "smtp://localhost:25"), ("REDIS_URL", "redis://127.0.0.1")]).good().warnings(), []);
}
