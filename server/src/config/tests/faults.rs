//! All faults at once, each with its name, its layer and its mend.

use super::{KEY, Place};

/// (name, value, a word of the problem)
const WRONG: &[(&str, &str, &str)] = &[
    ("KEYSTEAD_ENV", "prod", "not an environment"),
    ("PORT", "80000", "not a whole number from 0 to 65535"),
    ("HOST", "http://localhost", "not a host name"),
    ("KEYSTEAD_OPS_ADDR", "9464", "not an IP address with a port"),
    ("KEYSTEAD_PUBLIC_URL", "https://id.example.com/auth", "more than scheme, host and port"),
    ("CORS_ORIGINS", "https://*.example.com", "not an origin"),
    ("TRUSTED_PROXIES", "hops:0", "impossible number"),
    ("KEYSTEAD_SERVER__REQUEST_TIMEOUT", "30", "no unit"),
    ("KEYSTEAD_SERVER__HEADER_TIMEOUT", "2d", "outside 1s to 10m"),
    ("KEYSTEAD_SERVER__BODY_LIMIT", "1MB", "not a size"),
    ("KEYSTEAD_SERVER__INSTANCES", "0", "not a whole number from 1"),
    ("DATABASE_URL", "mysql://root:hunter2@db/x", "not a database URL"),
    ("DATABASE_READ_URL", "sqlite://x.db", "not a PostgreSQL URL"),
    ("REDIS_URL", "http://redis", "not a Redis URL"),
    ("SMTP_URL", "smtp://mail?tls=maybe", "unknown `tls`"),
    ("MAIL_FROM", "nobody", "not a mail address"),
    ("LOG_FORMAT", "xml", "not a log format"),
    ("RUST_LOG", "info,keystead=loudly", "not a log filter"),
    ("SENTRY_DSN", "sentry.io", "not a Sentry DSN"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", "not an http or https URL"),
    ("KEYSTEAD_MASTER_KEY", "c2hvcnQ=", "5 bytes"),
    ("KEYSTEAD_ACCOUNTS__REQUIRE_VERIFIED_EMAIL", "maybe", "neither true nor false"),
    ("KEYSTEAD_PASSWORDS__MIN_STRENGTH", "5", "from 0 to 4"),
    ("KEYSTEAD_LOCKOUT__DURATION", "half an hour", "not a duration"),
    ("KEYSTEAD_TOKENS__ACCESS_TTL", "1m1h", "not a duration"),
    ("KEYSTEAD_LIMITS__LOGIN", "ten per minute", "not a rate"),
    ("KEYSTEAD_LIMITS__SIGNUP", "0/1h", "counts to nothing"),
    ("KEYSTEAD_QUOTAS__TOKENS", "many", "not a rate"),
    ("KEYSTEAD_QUOTAS__MANY", "9007199254740992/1d", "cannot be counted"),
    ("KEYSTEAD_QUOTAS__LONG", "1/367d", "cannot be counted"),
    ("KEYSTEAD_QUOTAS__TIME_ZONE", "Europe/Berlin", "not a rate"),
    ("KEYSTEAD_USAGE__TIME_ZONE", "Berlin", "not a time zone"),
    ("KEYSTEAD_USAGE__WARN_PERCENT", "0", "whole number"),
    ("KEYSTEAD_PRIVACY__POLICIES", "privacy", "not a list of policies"),
    ("KEYSTEAD_RETENTION__DAYS", "-1", "not a whole number"),
    ("KEYSTEAD_VOICE__LIVEKIT_URL", "https://livekit", "not a WebSocket URL"),
    ("KEYSTEAD_VOICE__TURN_URLS", "turn.example.com", "not a TURN URI"),
    ("KEYSTEAD_DEV__CLOCK", "2", "neither true nor false"),
];

#[test]
fn every_wrong_value_is_reported_in_one_go() {
    let faults = Place::new(&WRONG.iter().map(|(name, value, _)| (*name, *value)).collect::<Vec<_>>()).bad();
    for (name, _, problem) in WRONG {
        let fault = faults.iter().find(|fault| fault.name == *name).unwrap_or_else(|| panic!("{name} is not reported: {faults:#?}"));
        assert!(fault.problem.contains(problem), "{fault:?}");
        assert_eq!(fault.layer.as_deref(), Some("environment"));
        assert!(!fault.mend.is_empty());
    }
    assert_eq!(faults.len(), WRONG.len(), "{faults:#?}");
}

#[test]
fn a_wrong_value_alone_is_one_fault() {
    for (name, value, _) in WRONG {
        assert_eq!(Place::new(&[(name, value)]).only_fault().name, *name);
    }
}

#[test]
fn wrong_values_and_missing_ones_are_reported_together_and_none_twice() {
    let faults = Place::new(&[("KEYSTEAD_ENV", "production"), ("PORT", "x"), ("SMTP_URL", "nonsense")]).bad();
    let mut names: Vec<&str> = faults.iter().map(|fault| fault.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["KEYSTEAD_MASTER_KEY", "KEYSTEAD_PUBLIC_URL", "MAIL_FROM", "PORT", "SMTP_URL"]);
}

#[test]
fn unknown_names_are_faults_with_a_suggestion() {
    for (name, meant) in [
        ("KEYSTEAD_LOCKOUT__TRESHOLD", "KEYSTEAD_LOCKOUT__THRESHOLD"),
        ("KEYSTEAD_TOKENS_ACCESS_TTL", "KEYSTEAD_TOKENS__ACCESS_TTL"),
        ("KEYSTEAD_REDIS_URL", "REDIS_URL"),
        ("KEYSTEAD_PORT", "PORT"),
        ("KEYSTEAD_MASTERKEY", "KEYSTEAD_MASTER_KEY"),
        ("KEYSTEAD_MASTER_KEYS_FILE", "KEYSTEAD_MASTER_KEY_FILE"),
        ("KEYSTEAD_SECRET_DIR", "KEYSTEAD_SECRETS_DIR"),
    ] {
        let fault = Place::new(&[(name, "1")]).only_fault();
        assert_eq!(fault.name, name);
        assert!(fault.mend.starts_with(&format!("did you mean {meant}?")), "{fault:?}");
    }
    let strange = Place::new(&[("KEYSTEAD_COLOUR_OF_THE_HOUSE", "1")]).only_fault();
    assert!(!strange.mend.contains("did you mean"), "{strange:?}");
}

#[test]
fn unknown_keys_of_the_file_are_faults_with_a_suggestion() {
    let faults = Place::new(&[]).file("keystead.toml", "[sever]\nport = 1\n[tokens]\nacces_ttl = \"1m\"\n").bad();
    let told: Vec<String> = faults.iter().map(|fault| format!("{fault} → {}", fault.mend)).collect();
    assert!(told[0].starts_with("sever.port (keystead.toml): there is no such key → did you mean server.port?"), "{told:?}");
    assert!(told[1].contains("did you mean tokens.access_ttl?"), "{told:?}");
}

#[test]
fn unknown_names_are_found_in_every_layer() {
    let place =
        Place::new(&[("KEYSTEAD_A__B", "1"), ("KEYSTEAD_SECRETS_DIR", "s")]).file(".env", "KEYSTEAD_C__D=1").file("s/KEYSTEAD_E__F", "1");
    let layers: Vec<String> = place.bad().into_iter().map(|fault| format!("{} {}", fault.name, fault.layer.unwrap())).collect();
    assert_eq!(layers[..2], ["KEYSTEAD_C__D .env".to_owned(), "KEYSTEAD_A__B environment".to_owned()]);
    assert!(layers[2].starts_with("KEYSTEAD_E__F secrets folder"), "{layers:?}");
}

#[test]
fn a_file_that_is_not_toml_names_the_line() {
    let fault = Place::new(&[]).file("keystead.toml", "[server]\nport = 1\nhost = local\n").only_fault();
    assert_eq!((fault.name.as_str(), fault.layer.as_deref()), ("line 3", Some("keystead.toml")));
}

#[test]
fn settings_that_do_not_fit_together_are_refused_everywhere() {
    for (env, name) in [
        (&[("KEYSTEAD_TOKENS__ACCESS_TTL", "1h"), ("KEYSTEAD_TOKENS__REFRESH_TTL", "30m")][..], "KEYSTEAD_TOKENS__REFRESH_TTL"),
        (&[("KEYSTEAD_SESSIONS__ABSOLUTE_TTL", "1d")], "KEYSTEAD_SESSIONS__ABSOLUTE_TTL"),
        (&[("KEYSTEAD_OPS_ADDR", "127.0.0.1:8080")], "KEYSTEAD_OPS_ADDR"),
        (&[("HOST", "0.0.0.0"), ("PORT", "9464")], "KEYSTEAD_OPS_ADDR"),
        (&[("DATABASE_READ_URL", "postgres://localhost/x")], "DATABASE_READ_URL"),
        (
            &[("KEYSTEAD_PASSWORDS__ARGON2_PARALLELISM", "4"), ("KEYSTEAD_PASSWORDS__ARGON2_MEMORY_KIB", "16")],
            "KEYSTEAD_PASSWORDS__ARGON2_MEMORY_KIB",
        ),
        (&[("KEYSTEAD_VOICE__LIVEKIT_URL", "wss://l"), ("KEYSTEAD_VOICE__LIVEKIT_API_KEY", "k")], "KEYSTEAD_VOICE__LIVEKIT_API_SECRET"),
        (&[("KEYSTEAD_VOICE__TURN_URLS", "turn:t.example.com")], "KEYSTEAD_VOICE__TURN_SECRET"),
        (&[("KEYSTEAD_SERVER__INSTANCES", "2"), ("REDIS_URL", "redis://localhost")], "DATABASE_URL"),
        (&[("KEYSTEAD_SERVER__INSTANCES", "2"), ("DATABASE_URL", "postgres://localhost/x")], "REDIS_URL"),
    ] {
        assert_eq!(Place::new(env).only_fault().name, name, "{env:?}");
    }
}

#[test]
fn stun_alone_needs_no_secret() {
    Place::new(&[("KEYSTEAD_VOICE__TURN_URLS", "stun:stun.example.com:3478")]).good();
}

#[test]
fn lists_of_master_keys_say_what_is_wrong_with_them() {
    for (value, problem) in [
        (format!("{KEY},{KEY}"), "several keys without ids"),
        (format!("a:{KEY},b:{KEY}"), "the same key twice"),
        (format!("a:{KEY},a:Hx4dHBsaGRgXFhUUExIREPHz9ff5+/3/AQMFBwkLDQ8="), "one key id twice"),
        (format!("not an id:{KEY}"), "key id that is not usable"),
        ("a:!!!".to_owned(), "not base64"),
        (" , ".to_owned(), "holds no key"),
    ] {
        let fault = Place::new(&[]).set("KEYSTEAD_MASTER_KEY", value).only_fault();
        assert!(fault.problem.contains(problem), "{fault:?}");
    }
}

#[test]
fn good_forms_of_every_kind_are_read() {
    let place = Place::new(&[
        ("HOST", "::"),
        ("KEYSTEAD_OPS_ADDR", "off"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1,fd00::/8"),
        ("KEYSTEAD_SERVER__REQUEST_TIMEOUT", "1m30s"),
        ("KEYSTEAD_PASSWORDS__MAX_QUEUE_WAIT", "1500ms"),
        ("KEYSTEAD_SERVER__BODY_LIMIT", "512KiB"),
        ("KEYSTEAD_LIMITS__ENABLED", "off"),
        ("KEYSTEAD_LIMITS__LOGIN", "7/90s"),
        ("REDIS_URL", "rediss-sentinel://:p%40ss@a.example:26379,b.example:26379/main/0"),
        ("DATABASE_URL", "postgres://u:p@[::1]:5432,127.0.0.2:5433/db"),
        ("SMTP_URL", "smtps://user%40example.com:p%3Aw@smtp.example.com"),
        ("KEYSTEAD_PRIVACY__POLICIES", "privacy=2026-01, terms=2"),
    ]);
    let settings = place.good();
    assert_eq!(settings.server.host, "::");
    assert!(settings.server.ops_addr.is_none());
    assert!(matches!(&settings.trusted_proxies, keystead::config::TrustedProxies::Networks(nets) if nets.len() == 3));
    assert_eq!(settings.server.request_timeout.as_secs(), 90);
    assert_eq!(settings.passwords.max_queue_wait.as_millis(), 1500);
    assert_eq!(settings.server.body_limit, 512 * 1024);
    assert!(!settings.limits.enabled);
    assert_eq!((settings.limits.login.limit, settings.limits.login.window.as_secs()), (7, 90));
    assert_eq!(settings.privacy.policies[1], ("terms".to_owned(), "2".to_owned()));
}

#[test]
fn durations_that_overflow_are_refused_and_do_not_panic() {
    for value in ["99999999999999999999d", "18446744073709551615d", "1s1s", "s", "-1s", "1.5h", "１s", ""] {
        let faults = Place::new(&[("KEYSTEAD_TOKENS__REUSE_WINDOW", value)]).bad();
        assert_eq!(faults.len(), usize::from(!value.is_empty()), "{value}");
    }
}
