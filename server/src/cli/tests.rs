//! The real program: what it prints, and its exit codes.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its stage has failed")]

#[path = "tests/audit.rs"]
mod audit;
#[path = "tests/clients.rs"]
mod clients;
#[path = "tests/command.rs"]
mod command;
#[path = "tests/directory.rs"]
mod directory;
#[path = "tests/flags.rs"]
mod flags;
#[path = "tests/foreign_hashes.rs"]
mod foreign_hashes;
#[path = "tests/jobs.rs"]
mod jobs;
#[path = "tests/keys.rs"]
mod keys;
#[path = "tests/migrate.rs"]
mod migrate;
#[path = "tests/nowhere.rs"]
mod nowhere;
#[path = "tests/openapi.rs"]
mod openapi;
#[path = "tests/remote.rs"]
mod remote;
#[path = "tests/roles.rs"]
mod roles;
#[path = "tests/signing_in.rs"]
mod signing_in;
#[path = "tests/user_acts.rs"]
mod user_acts;
#[path = "tests/users.rs"]
mod users;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use clap::{CommandFactory, Parser};
use keystead::cli::password::{Password, Terminal, choose};
use keystead::cli::users::Users;
use keystead::cli::{Cli, Command as Asked};
use secrecy::ExposeSecret;
use tempfile::TempDir;

/// Runs the program in `dir` with nothing but `env` around it.
fn keystead(dir: &Path, env: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
    command.args(args).env_clear().envs(env.iter().copied()).current_dir(dir).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_good_configuration_exits_with_0_and_creates_nothing() {
    let dir = TempDir::new().unwrap();
    let output = keystead(dir.path(), &[], &["config", "check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).starts_with("The configuration is good for development.\n"));
    assert_eq!(text(&output.stderr), "");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    // What is off says how it is turned on.
    assert!(text(&output.stdout).contains("Voice tokens are off") && text(&output.stdout).contains("KEYSTEAD_VOICE__LIVEKIT_URL"));
    let livekit = [
        ("KEYSTEAD_VOICE__LIVEKIT_URL", "wss://livekit.example.com"),
        ("KEYSTEAD_VOICE__LIVEKIT_API_KEY", "key"),
        ("KEYSTEAD_VOICE__LIVEKIT_API_SECRET", "secret"),
    ];
    let output = keystead(dir.path(), &livekit, &["config", "check", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["hints"][0]["mend"].as_str().unwrap().contains("KEYSTEAD_VOICE__TURN_URLS"), "{report}");
}

#[test]
fn a_bad_configuration_exits_with_2_and_lists_everything() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join(".env"), "PORT=eighty\n").unwrap();
    let env = [("KEYSTEAD_ENV", "production"), ("KEYSTEAD_TOKENS__ACCES_TTL", "1m"), ("DATABASE_URL", "mysql://u:hunter2@db/k")];
    let output = keystead(dir.path(), &env, &["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    for wanted in [
        "error: PORT (.env): `eighty` is not a whole number from 0 to 65535\n  → use a number from 0 to 65535\n",
        "error: KEYSTEAD_TOKENS__ACCES_TTL (environment): there is no such setting\n  → did you mean KEYSTEAD_TOKENS__ACCESS_TTL?",
        "error: DATABASE_URL (environment): the value is not a database URL\n",
        "error: KEYSTEAD_MASTER_KEY: is missing",
        "error: SMTP_URL: is missing",
        "error: MAIL_FROM: is missing",
        "error: KEYSTEAD_PUBLIC_URL: is plain http",
        "7 settings to mend.\n",
    ] {
        assert!(told.contains(wanted), "{wanted:?} is not in:\n{told}");
    }
    assert!(!told.contains("hunter2") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn machines_read_the_check_as_json() {
    let dir = TempDir::new().unwrap();
    let good = keystead(dir.path(), &[], &["config", "check", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!((good.status.code(), &report["valid"], &report["environment"]), (Some(0), &true.into(), &"development".into()));
    let bad = keystead(dir.path(), &[("PORT", "x")], &["config", "check", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!((bad.status.code(), &report["valid"], &report["faults"][0]["name"]), (Some(2), &false.into(), &"PORT".into()));
    assert_eq!(text(&bad.stderr), "");
}

#[test]
fn commands_refuse_to_run_with_a_bad_configuration() {
    let dir = TempDir::new().unwrap();
    for args in [&[][..], &["serve"], &["migrate"], &["users", "list"], &["keys", "list"]] {
        let output = keystead(dir.path(), &[("PORT", "x")], args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).starts_with("error: PORT (environment): "), "{args:?}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is created");
}

#[test]
fn the_version_names_the_commit_and_its_day() {
    let dir = TempDir::new().unwrap();
    let output = keystead(dir.path(), &[("PORT", "broken on purpose")], &["--version"]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    let inner = said.strip_prefix(&format!("keystead {} (", env!("CARGO_PKG_VERSION"))).and_then(|rest| rest.strip_suffix(")\n"));
    let mut words = inner.unwrap_or_else(|| panic!("{said}")).split(' ');
    let commit = words.next().unwrap();
    assert!(commit == "unknown" || commit.len() >= 7 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{said}");
    assert!(words.next().is_none_or(|day| day.len() == 10 && day.split('-').count() == 3), "{said}");
}

#[test]
fn wrong_usage_exits_with_2() {
    let dir = TempDir::new().unwrap();
    for args in
        [&["brew"][..], &["--brew"], &["users", "create"], &["users", "list", "--status", "happy"], &["completions", "cmd"], &["config"]]
    {
        assert_eq!(keystead(dir.path(), &[], args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(keystead(dir.path(), &[], &["help", "users", "create"]).status.code(), Some(0));
}

/// The first account on a fresh machine: the data folder and its key are made on the way.
#[test]
fn an_account_is_created_without_any_configuration() {
    let dir = TempDir::new().unwrap();
    let args = ["users", "create", "--email", "Ada@Example.com", "--name", "Ada", "--roles", "admin", "--verified"];
    let output = keystead(dir.path(), &[], &args);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let said = text(&output.stdout);
    assert!(said.starts_with("Created ada@example.com (") && said.contains("), active.\nPassword: "), "{said}");

    let listed = keystead(dir.path(), &[], &["users", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["items"][0]["roles"], serde_json::json!(["admin"]));

    let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["data", "data/dev-master-key", "data/keystead.db", "data/keyring.db"].map(mode), [0o700, 0o600, 0o600, 0o600]);
}

#[test]
fn every_shell_gets_completions() {
    let dir = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = keystead(dir.path(), &[], &["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("keystead") && output.stdout.len() > 500, "{shell}");
    }
}

#[test]
fn the_command_tree_is_sound_and_every_part_is_explained() {
    fn walk(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{} has no help", command.get_name());
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {} has no help", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(walk);
    }
    Cli::command().debug_assert();
    walk(&Cli::command());
}

fn create(args: &[&str]) -> keystead::cli::users::Create {
    let line = ["keystead", "users", "create", "--email", "ada@example.com", "--name", "Ada"].iter().chain(args);
    match Cli::try_parse_from(line).unwrap().command {
        Some(Asked::Users(Users::Create(create))) => create,
        other => panic!("{other:?}"),
    }
}

fn chosen(args: &[&str], input: &str, is_terminal: bool) -> Result<Password, keystead::cli::Failure> {
    choose(&create(args), &mut Terminal { input: input.as_bytes(), is_terminal }, || [5; 20])
}

#[test]
fn the_arguments_of_a_new_account_are_read() {
    let create = create(&["--role", "Engineer", "--verified", "--roles", "admin,auditor"]);
    assert_eq!(
        (create.role.as_deref(), create.verified, create.roles),
        (Some("Engineer"), true, vec!["admin".to_owned(), "auditor".to_owned()])
    );
    let both = ["keystead", "users", "create", "--email", "a@b.c", "--name", "A", "--password-stdin", "--password-hash", "x"];
    assert_eq!(Cli::try_parse_from(both).unwrap_err().exit_code(), 2);
}

#[test]
fn passwords_come_from_the_pipe_and_are_generated_at_a_terminal() {
    let given = |choice| matches!(choice, Ok(Password::Given(secret)) if secret.expose_secret() == " Tr0ub4dor &3 ");
    assert!(given(chosen(&["--password-stdin"], " Tr0ub4dor &3 \r\nsecond\n", false)));
    assert!(given(chosen(&[], " Tr0ub4dor &3 ", false)));
    assert!(matches!(chosen(&["--password-hash", "$2b$12$x"], "", true), Ok(Password::Hash(hash)) if hash == "$2b$12$x"));
    assert!(matches!(chosen(&[], "ignored\n", true), Ok(Password::Generated(_))));
    assert!(matches!(chosen(&[], "", false), Ok(Password::Generated(_))));
    assert_eq!(chosen(&["--password-stdin"], "\n", false).unwrap_err().code(), 2);
}

#[test]
fn generated_passwords_satisfy_the_default_policy() {
    for seed in 0..=255u8 {
        let bytes = std::array::from_fn(|index| seed.wrapping_mul(31).wrapping_add(u8::try_from(index).unwrap().wrapping_mul(seed)));
        let Ok(Password::Generated(secret)) = choose(&create(&[]), &mut Terminal { input: &b""[..], is_terminal: true }, || bytes) else {
            panic!()
        };
        let text = secret.expose_secret();
        assert!(
            text.len() == 23 && text.contains(char::is_uppercase) && text.contains(char::is_lowercase) && text.contains(char::is_numeric),
            "{text}"
        );
    }
}
