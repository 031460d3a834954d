//! The rules of the house, read from the source itself: who may know whom, where SQL stands, how long a file may be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The ground that every feature stands on. It knows no feature.
const FLOOR: &[&str] = &["config", "db", "error", "ground", "http", "jobs", "mail", "secret", "shared", "telemetry", "time"];

/// Above the slices: they put the parts together and may know all of them.
const TOP: &[&str] = &["app", "cli", "console", "lib", "main"];

/// The extractors of `http` are written for the router's state, which is `App`; nobody else of the floor has a reason.
const MAY_NAME_APP: &[&str] = &["http"];

/// The only part that names a database engine.
const ENGINES: &[&str] = &["rusqlite", "tokio_postgres", "deadpool_postgres"];

/// A file longer than this is two files.
const MAX_LINES: usize = 450;

/// Longer, with the reason.
const LONGER: &[(&str, &str)] = &[];

struct Source {
    /// Relative to `src`.
    path: String,
    /// The top-level module it belongs to.
    module: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }

    /// The source without its comment lines.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter(|line| !line.trim_start().starts_with("//"))
    }

    /// The top-level modules of the crate that this file names.
    fn knows(&self) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        let code: String = self.code().flat_map(|line| [line, "\n"]).collect();
        for (at, _) in code.match_indices("crate::") {
            // `$crate::…` stands in a macro and speaks for its caller; `mycrate::` is another word.
            if code[..at].ends_with(|c: char| c == '$' || c == '_' || c.is_alphanumeric()) {
                continue;
            }
            known.extend(first_names(&code[at + "crate::".len()..]));
        }
        known.remove(&self.module);
        known
    }
}

/// The names that can follow `crate::`: one, or those at the top level of a `{a::b, c::{d, e}}`.
fn first_names(rest: &str) -> Vec<String> {
    let Some(inside) = rest.strip_prefix('{') else { return vec![identifier(rest)] };
    let (mut names, mut depth, mut expects_name) = (Vec::new(), 1, true);
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => expects_name = true,
            _ if expects_name && !letter.is_whitespace() => {
                names.push(identifier(&inside[at..]));
                expects_name = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a readable folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let relative = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
                let module = relative.split(['/', '.']).next().unwrap_or_default().to_owned();
                found.push(Source { module, text: std::fs::read_to_string(&path).expect("readable"), path: relative });
            }
        }
    }
    assert!(found.len() > 5, "the source was not found");
    found
}

/// Top-level modules, without those that stand above everything.
fn slices(sources: &[Source]) -> BTreeSet<&str> {
    let all = sources.iter().map(|source| source.module.as_str());
    all.filter(|module| !FLOOR.contains(module) && !TOP.contains(module)).collect()
}

#[track_caller]
fn none(rule: &str, breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{rule}\n  {}", breaches.join("\n  "));
}

#[test]
fn the_floor_knows_no_slice() {
    let sources = sources();
    let slices = slices(&sources);
    let floor = sources.iter().filter(|source| FLOOR.contains(&source.module.as_str()) && !source.is_test());
    let breaches = floor.flat_map(|source| {
        let excepted = |known: &str| known == "app" && MAY_NAME_APP.contains(&source.module.as_str());
        let upward = source.knows().into_iter().filter(|known| slices.contains(known.as_str()) || TOP.contains(&known.as_str()));
        let upward = upward.filter(|known| !excepted(known));
        upward.map(|known| format!("{} names crate::{known}", source.path)).collect::<Vec<_>>()
    });
    none("The floor must not know a feature or `app`: hand it what it needs, or publish an event.", breaches.collect());
}

#[test]
fn nobody_below_the_top_knows_the_top() {
    let sources = sources();
    let below = sources.iter().filter(|source| !TOP.contains(&source.module.as_str()) && !source.is_test());
    // `App` itself is what routes are handed; the rest of `app` is nobody's business.
    let breaches = below.flat_map(|source| {
        let upward = source.knows().into_iter().filter(|known| TOP.contains(&known.as_str()) && known != "app");
        upward.map(|known| format!("{} names crate::{known}", source.path)).collect::<Vec<_>>()
    });
    none("Only the table of contents puts parts together.", breaches.collect());
}

#[test]
fn slices_form_no_circle() {
    let sources = sources();
    let slices = slices(&sources);
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| slices.contains(source.module.as_str()) && !source.is_test()) {
        let known = source.knows().into_iter().filter(|known| slices.contains(known.as_str()));
        edges.entry(&source.module).or_default().extend(known);
    }
    // Take away, again and again, what knows nobody that is left; what cannot be taken away stands in a circle.
    loop {
        let left: BTreeSet<String> = edges.keys().map(|&slice| slice.to_owned()).collect();
        edges.retain(|_, known| known.iter().any(|slice| left.contains(slice)));
        if edges.len() == left.len() {
            break;
        }
    }
    let circle = edges.iter().map(|(slice, known)| format!("{slice} knows {known:?}")).collect();
    none("Slices stand in an order. Let the lower one publish an event that `app` connects.", circle);
}

#[test]
fn only_db_names_an_engine() {
    let breaches = sources().into_iter().filter(|source| source.module != "db" && !source.is_test()).filter_map(|source| {
        let named = ENGINES.iter().find(|engine| source.code().any(|line| line.contains(*engine)));
        named.map(|engine| format!("{} names {engine}", source.path))
    });
    none("Everything above `db` works on both engines.", breaches.collect());
}

#[test]
fn sql_stands_in_store_files() {
    let breaches = sources().into_iter().filter(|source| source.module != "db" && !source.is_test()).filter_map(|source| {
        // A part with two stores names each: `keyring_store.rs`.
        let is_store = ["/store.rs", "_store.rs"].iter().any(|end| source.path.ends_with(end)) || source.path.contains("/store/");
        let found = source.code().find(|line| contains_sql(line)).filter(|_| !is_store);
        found.map(|line| format!("{}: {}", source.path, line.trim()))
    });
    none("SQL is declared with `statements!` in the slice's `store.rs` (or `*_store.rs`).", breaches.collect());
}

/// A string literal that starts like a statement.
fn contains_sql(line: &str) -> bool {
    let statement = ["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM ", "\"WITH "].iter().any(|start| line.contains(start));
    let lower = ["\"select ", "\"insert into ", "\"delete from "].iter().any(|start| line.contains(start));
    statement || lower || line.contains("statements! {")
}

#[test]
fn files_stay_short() {
    let long = sources().into_iter().filter(|source| source.text.lines().count() > MAX_LINES);
    let breaches = long.filter(|source| LONGER.iter().all(|(path, _)| *path != source.path));
    none("Split by meaning; each part then gets a name.", breaches.map(|source| source.path).collect());
}

#[test]
fn the_rules_see_what_they_look_for() {
    let names = |text: &str| {
        let source = Source { path: "sessions/mod.rs".into(), module: "sessions".into(), text: text.into() };
        source.knows().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(names("use crate::audit::Audit;\n// use crate::doctor;\nlet x = crate::flags::on();"), ["audit", "flags"]);
    assert_eq!(names("use crate::{accounts::{self, User}, sessions::Caller, time::Clock};"), ["accounts", "time"]);
    assert_eq!(names("$crate::db::Sql; mycrate::voice"), Vec::<String>::new());
    assert!(contains_sql(r#"const FIND = "SELECT id FROM users";"#) && !contains_sql("let selected = \"a SELECT in prose\";"));
}
