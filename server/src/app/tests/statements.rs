//! Every statement, read by both engines against the schema; every migration, listed.

use std::collections::BTreeSet;
use std::path::Path;

use keystead::db::Store as Part;
use keystead::{jobs, mail, secret};

use crate::support::{Ground, Store, both_stores, database};

/// What `statements!` declared, anywhere in the source.
fn declared() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("db/sql.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let mut inside = false;
                for line in text.lines().map(str::trim_start) {
                    inside = (inside || line.ends_with("statements! {")) && line != "}";
                    let name: String = line.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
                    if inside && !name.is_empty() && line[name.len()..].starts_with(" =") {
                        found.insert(format!("{} {name}", path.file_stem().unwrap().to_string_lossy()));
                    }
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

async fn every_statement_is_one_for_the_engine(store: Store) {
    let ground = Ground::migrated(store).await;
    let (main, vault) = (database(&ground, Part::Main), database(&ground, Part::Keyring));
    let floor = [("jobs", jobs::STATEMENTS), ("mail", mail::STATEMENTS), ("signing keys", secret::SIGNING_STATEMENTS)];
    let mut prepared = BTreeSet::new();
    let mut faults = Vec::new();
    let of_main = keystead::app::statements().into_iter().chain(floor).map(|part| (&main, part));
    for (database, (part, statements)) in of_main.chain([(&vault, ("keyring", secret::KEYRING_STATEMENTS))]) {
        for (name, sql) in statements {
            prepared.insert(*name);
            if let Err(error) = database.prepare(*sql).await {
                faults.push(format!("{part} {name}: {error}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let forgotten: Vec<_> = declared().into_iter().filter(|name| !prepared.contains(name.rsplit(' ').next().unwrap())).collect();
    assert!(forgotten.is_empty() && prepared.len() > 30, "not listed for this test: {forgotten:?}");
    main.close().await;
    vault.close().await;
}

both_stores!(every_statement_is_one_for_the_engine);

#[test]
fn every_file_of_the_migrations_is_applied() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = std::fs::read_to_string(root.join("src/db/migrations.rs")).unwrap();
    for folder in ["main", "keyring"] {
        let mut steps = BTreeSet::new();
        for entry in std::fs::read_dir(root.join("migrations").join(folder)).unwrap().flatten() {
            let file = entry.file_name().into_string().unwrap();
            let name = [".sqlite.sql", ".pg.sql", ".sql"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(&file);
            assert!(list.contains(&format!("\"{name}\"")), "migrations/{folder}/{file} is not listed in db/migrations.rs");
            steps.insert(name.to_owned());
        }
        // Numbers are given to features before they are written; one that is not there yet leaves a gap, and none is given twice.
        let numbers: BTreeSet<usize> = steps.iter().map(|name| name[..4].parse().unwrap()).collect();
        assert_eq!(numbers.len(), steps.len(), "{folder}: two steps have one number: {steps:?}");
        let listed: Vec<usize> = steps.iter().map(|name| list.find(&format!("\"{name}\"")).unwrap()).collect();
        assert!(listed.is_sorted(), "{folder}: db/migrations.rs lists the steps in another order than their numbers'");
    }
    let folders = std::fs::read_dir(root.join("migrations")).unwrap().count();
    assert_eq!(folders, 2, "each folder of migrations has a list in db/migrations.rs");
}
