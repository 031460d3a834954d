//! The manual, the example and the reference name every setting and nothing else.
//!
//! `.env.example` and the table of `docs/configuration.md` are generated here: run the test
//! `the_generated_references_are_current` with `UPDATE_REFERENCE=1` to write them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use keystead::config::names::{LOADING, SETTINGS, Setting, of_key};
use keystead::config::{DEFAULTS, Environment, LogFormat, Settings, TrustedProxies};

use super::Place;

const BEGIN: &str = "<!-- settings: generated, see server/src/config/tests/reference.rs -->";
const END: &str = "<!-- /settings -->";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Defaults by key, as the file writes them.
fn defaults() -> BTreeMap<String, String> {
    let table: toml::Table = toml::from_str(DEFAULTS).unwrap();
    let mut out = BTreeMap::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => out.extend(inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), plain(&value)))),
            other => drop(out.insert(name, plain(&other))),
        }
    }
    out
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Keys of the manual, the commented ones included.
fn keys_of_the_manual() -> Vec<String> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((name, _)) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ")
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            keys.push(format!("{section}{name}"));
        }
    }
    keys
}

#[test]
fn the_manual_names_every_setting_in_the_order_of_the_table() {
    let table: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    assert_eq!(keys_of_the_manual(), table);
}

#[test]
fn every_setting_has_a_default_or_says_what_holds_without_one() {
    let defaults = defaults();
    for setting in SETTINGS {
        assert_ne!(defaults.contains_key(setting.key), !setting.otherwise.is_empty(), "{}", setting.key);
    }
}

#[test]
fn names_are_unique() {
    let mut seen = BTreeSet::new();
    for setting in SETTINGS {
        assert!(seen.insert(setting.section_name()), "{}", setting.key);
        assert!(setting.conventional.is_none_or(|name| name == setting.section_name() || seen.insert(name.to_owned())), "{}", setting.key);
    }
}

#[test]
fn every_setting_answers_to_both_names_and_its_key() {
    for setting in SETTINGS {
        for name in [setting.name(), setting.section_name()] {
            // A control character is acceptable to nobody, so every setting complains under the name it was given.
            assert_eq!(Place::new(&[(&name, "\u{1}")]).only_fault().name, name);
        }
        let (section, key) = setting.key.split_once('.').map_or((String::new(), setting.key), |(s, k)| (format!("[{s}]\n"), k));
        let fault = Place::new(&[]).file("keystead.toml", &format!("{section}{key} = \"\\u0001\"\n")).only_fault();
        assert_eq!(fault.name, setting.key);
    }
    assert!(of_key("quotas.anything").is_some() && of_key("quotas.Not This").is_none() && of_key("server").is_none());
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let s: Settings = Place::new(&[]).good();
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let days = |n: u64| Duration::from_secs(86_400 * n);
    assert_eq!(s.env, Environment::Development);
    assert_eq!((s.server.host.as_str(), s.server.port, s.public_url()), ("127.0.0.1", 8080, "http://localhost:8080"));
    assert_eq!(s.server.ops_addr.unwrap().to_string(), "127.0.0.1:9464");
    assert_eq!((s.server.request_timeout, s.server.header_timeout), (Duration::from_secs(30), Duration::from_secs(10)));
    assert_eq!((s.server.body_limit, s.server.max_in_flight, s.server.max_connections), (1_048_576, 2048, 10_000));
    assert_eq!((s.server.shutdown_grace, s.server.instances, s.server.worker_threads), (Duration::from_secs(20), 1, 0));
    assert_eq!((s.database.max_connections, s.database.acquire_timeout), (16, Duration::from_secs(2)));
    assert!(s.redis_url.is_none() && s.database.read_url.is_none() && s.mail.smtp_url.is_none() && s.cors_origins.is_empty());
    assert_eq!((&s.trusted_proxies, s.log.format, s.log.filter.as_str()), (&TrustedProxies::None, LogFormat::Pretty, "info"));
    assert_eq!((s.accounts.require_verified_email, s.accounts.restore_grace), (true, days(30)));
    let p = &s.passwords;
    assert_eq!((p.argon2_memory_kib, p.argon2_iterations, p.argon2_parallelism), (19_456, 2, 1));
    assert_eq!((p.hash_threads, p.max_queue_wait, p.min_length, p.min_strength), (0, Duration::from_secs(2), 8, 2));
    assert!(p.require_upper && p.require_lower && p.require_digit);
    assert_eq!((p.reset_ttl, p.verify_ttl), (minutes(60), minutes(10)));
    assert_eq!((s.lockout.threshold, s.lockout.duration), (5, minutes(30)));
    assert_eq!((s.tokens.access_ttl, s.tokens.refresh_ttl), (minutes(15), days(7)));
    assert_eq!((s.tokens.reuse_window, s.tokens.staleness), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!((s.sessions.idle_ttl, s.sessions.absolute_ttl), (days(7), days(30)));
    assert_eq!(s.keys.rotate_every, Some(days(90)));
    let l = s.limits;
    let budgets = [
        l.global,
        l.signed_in,
        l.api_user,
        l.login,
        l.signup,
        l.password_forgot,
        l.verify_resend,
        l.voice_session,
        l.voice_token,
        l.transcript,
    ];
    let budgets: Vec<(u32, u64)> = budgets.iter().map(|budget| (budget.limit, budget.window.as_secs() / 60)).collect();
    assert_eq!(budgets, [(100, 15), (600, 1), (20, 1), (10, 5), (5, 60), (3, 15), (3, 15), (10, 5), (20, 15), (120, 1)]);
    assert_eq!((s.usage.zone.iana_name(), s.usage.warn_percent, s.privacy.retention.quotas), (Some("UTC"), 80, 90));
    assert!(l.enabled && !s.dev_clock && s.privacy.policies.is_empty());
    assert_eq!((s.privacy.retention_days, s.voice.token_ttl, s.voice.idle_ttl), (90, minutes(10), minutes(30)));
}

#[test]
fn the_generated_references_are_current() {
    let example = root().join(".env.example");
    let guide = root().join("docs/configuration.md");
    let guide_now = std::fs::read_to_string(&guide).unwrap();
    let (before, rest) = guide_now.split_once(BEGIN).expect("docs/configuration.md has no place for the table");
    let (_, after) = rest.split_once(END).expect("the table of docs/configuration.md has no end");
    let wanted = [(example, env_example()), (guide, format!("{before}{BEGIN}\n\n{}\n{END}{after}", reference()))];
    for (path, text) in wanted {
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let now = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(now == text, "{} is not current; run this test with UPDATE_REFERENCE=1", path.display());
    }
}

#[test]
fn the_example_is_a_good_configuration_with_every_line_switched_on_or_off() {
    let example = env_example();
    Place::new(&[]).file(".env", &example).good();
    let switched_on =
        example.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let on: String = switched_on.map(|line| format!("{line}\n")).collect();
    assert_eq!(on.lines().count(), SETTINGS.len() + LOADING.len());
    Place::new(&[]).file(".env", &on).good();
}

fn section(setting: &Setting) -> &'static str {
    setting.key.split_once('.').map_or("", |(section, _)| section)
}

/// One line of meaning and one with the default for each name.
fn env_example() -> String {
    let mut text = String::from(
        "# Keystead: every name of the environment with its default. Copy this file to `.env` and uncomment what you change.\n\
         # Generated; the manual is server/defaults.toml, the guide docs/configuration.md.\n\
         #\n\
         # Every NAME can be read from a file instead: NAME_FILE=/path. An empty value is the default.\n",
    );
    let defaults = defaults();
    let mut last = "loading";
    for (name, otherwise, doc) in LOADING {
        text.push_str(&format!("\n# {doc} Default: {otherwise}.\n#{name}=\n"));
    }
    for setting in SETTINGS {
        if section(setting) != last {
            last = section(setting);
            text.push_str(&format!("\n# === {} ===\n", if last.is_empty() { "general" } else { last }));
        }
        let default = defaults.get(setting.key).map_or("", String::as_str);
        let otherwise = if default.is_empty() { format!(" Default: {}.", setting.otherwise) } else { String::new() };
        text.push_str(&format!("\n# {}{otherwise}\n#{}={default}\n", setting.doc, setting.name()));
    }
    text
}

/// The table of the guide, one part per section.
fn reference() -> String {
    let mut text = String::from("### Loading\n\n| name | default | |\n|---|---|---|\n");
    for (name, otherwise, doc) in LOADING {
        text.push_str(&format!("| `{name}` | {otherwise} | {doc} |\n"));
    }
    let defaults = defaults();
    let mut last = "loading";
    for setting in SETTINGS {
        if section(setting) != last {
            last = section(setting);
            let title = if last.is_empty() { "General".to_owned() } else { format!("`[{last}]`") };
            text.push_str(&format!("\n### {title}\n\n| key | name | default | accepts | |\n|---|---|---|---|---|\n"));
        }
        let default = defaults.get(setting.key).map_or_else(|| setting.otherwise.replace('<', "&lt;"), |default| format!("`{default}`"));
        let accepts = setting.accepts.describe();
        text.push_str(&format!("| `{}` | `{}` | {default} | {accepts} | {} |\n", setting.key, setting.name(), setting.doc));
    }
    text
}
