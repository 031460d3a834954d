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

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            collect(&entry, pages);
        } else if entry.extension().is_some_and(|end| end == "md") {
            pages.push(entry);
        }
    }
}
