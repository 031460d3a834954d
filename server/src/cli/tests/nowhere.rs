//! Commands where there is no installation: they say so, and leave nothing behind.

use std::path::Path;

use tempfile::TempDir;

use super::command::{self, keystead as on};
use super::{keystead, text};
use crate::support::{Ground, PASSWORD, Store, both_stores};

/// Every command that reads or administers.
const COMMANDS: &[&[&str]] = &[
    &["users", "list"],
    &["users", "list", "--json"],
    &["users", "show", "ada@example.com"],
    &["users", "import", "-"],
    &["users", "export"],
    &["users", "unlock", "ada@example.com"],
    &["users", "suspend", "ada@example.com"],
    &["users", "activate", "ada@example.com"],
    &["users", "delete", "ada@example.com"],
    &["users", "restore", "ada@example.com"],
    &["clients", "create", "--name", "Shop", "--grant-types", "client_credentials"],
    &["clients", "list"],
    &["clients", "delete", "01920000-0000-7000-8000-000000000000"],
    &["clients", "update", "01920000-0000-7000-8000-000000000000"],
    &["clients", "disable", "01920000-0000-7000-8000-000000000000"],
    &["clients", "enable", "01920000-0000-7000-8000-000000000000"],
    &["clients", "rotate-secret", "01920000-0000-7000-8000-000000000000"],
    &["users", "set-roles", "ada@example.com", "user"],
    &["users", "revoke-sessions", "ada@example.com"],
    &["users", "panic", "ada@example.com", "--reason", "stolen"],
    &["users", "erase", "ada@example.com", "--reason", "asked"],
    &["jobs", "list"],
    &["jobs", "retry", "01920000-0000-7000-8000-000000000000"],
    &["stats"],
    &["keys", "list"],
    &["keys", "rotate"],
    &["flags", "list"],
    &["flags", "get", "new"],
    &["flags", "enable", "new"],
    &["roles", "list"],
    &["roles", "set", "support"],
    &["roles", "delete", "support"],
    &["audit", "verify"],
    &["audit", "export"],
];

fn files(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn in_an_empty_folder_nothing_is_made() {
    let dir = TempDir::new().unwrap();
    for args in COMMANDS {
        let output = keystead(dir.path(), &[], args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        let file = dir.path().canonicalize().unwrap().join("data/keystead.db");
        let what = format!("error: There is no installation here: {} does not exist.\n  → ", file.display());
        assert!(said.starts_with(&what) && said.contains("`keystead migrate`"), "{args:?}: {said}");
        assert_eq!((text(&output.stdout).as_str(), files(dir.path())), ("", vec![]), "{args:?}");
    }
}

#[test]
fn looking_what_is_pending_makes_nothing() {
    let dir = TempDir::new().unwrap();
    let output = keystead(dir.path(), &[], &["migrate", "--check"]);
    assert_eq!((output.status.code(), files(dir.path())), (Some(1), vec![]));
    assert!(text(&output.stdout).contains("pending  main     0001_accounts\n"), "{output:?}");
}

#[test]
fn a_lost_development_key_is_not_made_anew() {
    let dir = TempDir::new().unwrap();
    assert_eq!(keystead(dir.path(), &[], &["migrate"]).status.code(), Some(0));
    let key = dir.path().join("data/dev-master-key");
    std::fs::remove_file(&key).unwrap();
    let output = keystead(dir.path(), &[], &["users", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("KEYSTEAD_MASTER_KEY"), "{output:?}");
    assert!(!key.exists());
}

/// A database without our tables is no installation, whichever engine it is of; the first account makes one.
async fn an_empty_database_is_no_installation(store: Store) {
    let ground = Ground::empty(store).await;
    if store == Store::Sqlite {
        std::fs::write(ground.data_dir().join("keystead.db"), []).unwrap();
    }
    for args in COMMANDS {
        on(&ground, args).await.refused(2, "There is no installation here: the database that DATABASE_URL names is empty.");
    }
    assert_eq!(on(&ground, &["migrate", "--check"]).await.code, Some(1));
    let create = ["users", "create", "--email", "ada@example.com", "--name", "Ada", "--verified", "--password-stdin"];
    command::run(&ground, &create, PASSWORD, &[]).await.good();
    on(&ground, &["users", "list"]).await.good();
}

both_stores!(an_empty_database_is_no_installation);
