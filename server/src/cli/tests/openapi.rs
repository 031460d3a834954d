//! `keystead openapi`, and the committed document.

use std::path::Path;

use super::{keystead, text};
use tempfile::TempDir;

#[test]
fn the_committed_documents_are_what_the_code_generates() {
    is_current("openapi.json", keystead::app::openapi().to_pretty_json().unwrap() + "\n");
    is_current("asyncapi.json", keystead::presence::asyncapi() + "\n");
}

fn is_current(file: &str, generated: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    // Compared by line, because the whole documents would bury the hint.
    let differing = committed.lines().zip(generated.lines()).position(|(old, new)| old != new);
    assert!(
        committed == generated,
        "{file} is not what the code generates (first difference: line {}). Run `make openapi` and commit it.",
        differing.unwrap_or_else(|| committed.lines().count().min(generated.lines().count())) + 1
    );
}

#[test]
fn the_command_prints_and_writes_it() {
    let dir = TempDir::new().unwrap();
    // With a broken configuration, too: it needs none.
    let printed = keystead(dir.path(), &[("PORT", "broken on purpose")], &["openapi"]);
    let written = keystead(dir.path(), &[], &["openapi", "--output", "here.json"]);
    assert_eq!((printed.status.code(), written.status.code(), text(&written.stdout)), (Some(0), Some(0), String::new()));
    let printed = text(&printed.stdout);
    assert_eq!(printed, std::fs::read_to_string(dir.path().join("here.json")).unwrap());
    let document: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(document["paths"]["/api/v1/auth/login"]["post"].is_object());

    let printed = keystead(dir.path(), &[], &["asyncapi"]);
    let document: serde_json::Value = serde_json::from_str(&text(&printed.stdout)).unwrap();
    assert!(document["channels"]["realtime"]["messages"]["clientJoin"].is_object());

    let nowhere = keystead(dir.path(), &[], &["openapi", "--output", "no/such/folder.json"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).starts_with("error: no/such/folder.json cannot be written"), "{nowhere:?}");
}
