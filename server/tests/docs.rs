//! What the documentation says is held against the code.

use std::path::{Path, PathBuf};

use keystead::error::Code;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in the repository").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_error_code_is_explained() {
    let page = read(&repository().join("docs/errors.md"));
    let explained: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    for code in Code::ALL {
        assert!(explained.contains(&code.as_str()), "docs/errors.md does not explain `{}`", code.as_str());
    }
    for section in explained {
        assert!(Code::ALL.iter().any(|code| code.as_str() == section), "docs/errors.md explains `{section}`, which does not exist");
    }
    for code in Code::ALL {
        let after = page.split(&format!("## {}\n", code.as_str())).nth(1).unwrap_or_default();
        let status = format!("**{}.**", code.status());
        assert!(
            after.trim_start().starts_with(&status),
            "docs/errors.md says another status than {} of `{}`",
            code.status(),
            code.as_str()
        );
    }
}

/// Prose that names a file names one that exists.
#[test]
fn paths_named_in_the_documentation_exist() {
    let root = repository();
    let mut pages = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    collect(&root.join("docs"), &mut pages);
    let mut missing = Vec::new();
    for page in pages {
        for word in read(&page).split(|c: char| c.is_whitespace() || "`()[]<>\"',;".contains(c)) {
            let word = word.trim_end_matches(['.', ':']);
            let ours = ["server/", "bench/", "docs/", "scripts/"].iter().any(|start| word.starts_with(start));
            let literal = !word.contains(['{', '}', '*', '…', '#', '$', '|', '=']);
            if ours && literal && !root.join(word).exists() {
                missing.push(format!("{}: {word}", page.strip_prefix(&root).unwrap_or(&page).display()));
            }
        }
    }
    assert!(missing.is_empty(), "these paths do not exist:\n  {}", missing.join("\n  "));
}

/// Each item of the page names a test that holds it, and each of those exists.
#[test]
fn the_tests_that_hold_rfc_9700_exist() {
    let root = repository();
    let page = read(&root.join("docs/oauth-security.md"));
    let mut tests = Vec::new();
    sources(&root.join("server/src"), &mut tests);
    sources(&root.join("server/tests"), &mut tests);
    let items: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| section") && !line.starts_with("| attack")).collect();
    assert!(items.len() > 30, "the tables were not read");
    let mut missing = Vec::new();
    for item in items {
        let held_by = item.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        let named: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "nothing holds this item: {item}");
        missing.extend(named.into_iter().filter(|name| !exists(name, &tests)));
    }
    assert!(missing.is_empty(), "these tests do not exist:\n  {}", missing.join("\n  "));
}

/// Whether a source of tests that lies where `name` says has a function of that name.
fn exists(name: &str, tests: &[(PathBuf, String)]) -> bool {
    let Some((place, function)) = name.rsplit_once("::") else { return false };
    let (wanted, lies): (String, _) = (format!("fn {function}("), place.replace("http_floor", "http"));
    tests.iter().any(|(path, text)| {
        let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()?.split('.').next()).collect();
        text.contains(&wanted) && lies.split("::").all(|part| parts.contains(&part))
    })
}

/// The sources of tests below `folder`.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && path.to_string_lossy().contains("tests") {
            let text = read(&path);
            found.push((path, text));
        }
    }
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            collect(&entry, pages);
        } else if entry.extension().is_some_and(|end| end == "md") {
            pages.push(entry);
        }
    }
}

/// The acts that are recorded, as `docs/audit.md` lists them.
#[test]
fn every_recorded_act_is_listed() {
    let page = read(&repository().join("docs/audit.md"));
    let listed: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(act, _)| act).collect();
    let listed: Vec<&str> = listed.into_iter().filter(|act| act.contains('.')).collect();
    for keystead::audit::Action(act) in keystead::audit::ACTIONS {
        assert!(listed.contains(act), "docs/audit.md does not list `{act}`");
    }
    for act in listed {
        assert!(keystead::audit::ACTIONS.iter().any(|known| known.0 == act), "docs/audit.md lists `{act}`, which does not exist");
    }
}

/// An act that is declared and never recorded is a promise that nobody keeps.
#[test]
fn every_declared_act_is_recorded_somewhere() {
    let root = repository().join("server/src");
    let declared = read(&root.join("audit/mod.rs"));
    let names = declared.lines().filter_map(|line| line.trim().strip_suffix("\";")?.split_once(" = \"")).map(|(name, _)| name);
    let mut code = String::new();
    beside_the_declaration(&root, &mut code);
    let mut count = 0;
    for name in names {
        count += 1;
        assert!(code.contains(name), "{name} is declared and never recorded");
    }
    assert_eq!(count, keystead::audit::ACTIONS.len());
}

/// All code below `folder` but the tests and the list of acts itself.
fn beside_the_declaration(folder: &Path, code: &mut String) {
    for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            beside_the_declaration(&path, code);
        } else if path.extension().is_some_and(|end| end == "rs")
            && !path.ends_with("audit/mod.rs")
            && !path.to_string_lossy().contains("tests")
        {
            code.push_str(&read(&path));
        }
    }
}
