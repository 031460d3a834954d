//! N3: an export is verified without the database, and shows whatever was changed in it.

use keystead::audit::{self, Broken, FileVerification, NotVerifiable, SPACING, verify_file};
use serde_json::{Value, json};

use super::chain::busy;
use super::checkpoints::flood;
use crate::support::{Store, both_stores};

const EXPORT: &str = "/api/v1/admin/audit/export";

fn checked(file: &str) -> FileVerification {
    verify_file(file.as_bytes(), None).unwrap()
}

#[track_caller]
fn assert_broken(file: &str, seq: i64, reason: &'static str) {
    assert_eq!(checked(file).verification.first_broken, Some(Broken { seq, reason }));
}

fn joined(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [*line, "\n"]).collect()
}

async fn an_export_is_verified_without_the_database(store: Store) {
    let (instance, auditor) = busy(store).await;
    let answer = auditor.api.get(EXPORT).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"audit.ndjson\""));
    let events = i64::try_from(instance.events().await.len()).unwrap();
    let found = checked(&answer.text);
    assert!(found.verification.valid, "{found:?}");
    assert_eq!((found.verification.checked, found.verification.sealed_up_to), (events, events));
    // The export itself is on record, in itself.
    assert!(answer.text.contains("audit.exported"));
    for personal in ["auditor@example.com", "127.0.0.1"] {
        assert!(!answer.text.contains(personal), "{personal}");
    }
    let kid = found.keys[0].clone();
    assert!(verify_file(answer.text.as_bytes(), Some(&kid)).unwrap().verification.valid);
    assert!(matches!(verify_file(answer.text.as_bytes(), Some("other")), Err(NotVerifiable::OtherKey(keys)) if keys == kid));
    assert!(audit::verify(&instance.running.app.ground).await.unwrap().valid);
}

async fn every_change_of_an_export_shows(store: Store) {
    let (_instance, auditor) = busy(store).await;
    let first = auditor.api.get(EXPORT).await.expect(200).text;
    let file = auditor.api.get(EXPORT).await.expect(200).text;
    let lines: Vec<&str> = file.lines().collect();
    assert!(lines[1].contains(r#""seq":1,"#) && lines[5].contains(r#""seq":5,"#), "{file}");

    let without = |gone: usize| joined(&[&lines[..gone], &lines[gone + 1..]].concat());
    assert_broken(&without(5), 5, "missing");
    let mut swapped = lines.clone();
    swapped.swap(4, 5);
    assert_broken(&joined(&swapped), 4, "missing");
    for (from, to) in
        [(r#""outcome":"success""#, r#""outcome":"denied""#), (r#""details":""#, r#""details":" "#), (r#""at":"20"#, r#""at":"19"#)]
    {
        let edited = lines[5].replacen(from, to, 1);
        assert_ne!(edited, lines[5], "{from}");
        let edited: Vec<&str> = lines.iter().enumerate().map(|(n, line)| if n == 5 { edited.as_str() } else { line }).collect();
        assert_broken(&joined(&edited), 5, "altered");
    }
    // What no hash covers has no place in an export.
    let noted = file.replacen(r#""seq":5,"#, r#""note":"","seq":5,"#, 1);
    assert_broken(&noted, 5, "altered");

    // Cut off anywhere, also where an earlier checkpoint makes a good end, or in the middle of the last line.
    let last: i64 = checked(&file).verification.sealed_up_to;
    assert_broken(&file[..file.len() - 1], last + 1, "altered");
    assert_broken(&without(lines.len() - 1), last + 1, "unfinished");
    let checkpoint = lines.iter().position(|line| line.contains(r#""type":"checkpoint""#)).unwrap();
    let told: Value = serde_json::from_str(lines[checkpoint]).unwrap();
    assert_broken(&joined(&lines[..=checkpoint]), told["seq"].as_i64().unwrap() + 1, "unfinished");
    assert_broken(&format!("{file}{}\n", lines[1]), 1, "missing");
    // The end of an older export does not fit a newer one that was cut there and edited before.
    let end = first.lines().last().unwrap();
    let rebuilt = joined(&[&lines[..3], &[end]].concat());
    assert_broken(&rebuilt, 3, "missing");
    // A signature over something else.
    let forged = lines[checkpoint].replacen(r#""at":"20"#, r#""at":"21"#, 1);
    let forged: Vec<&str> = lines.iter().enumerate().map(|(n, line)| if n == checkpoint { forged.as_str() } else { line }).collect();
    assert_broken(&joined(&forged), told["seq"].as_i64().unwrap(), "forged");

    for other in ["", "{}\n", "seq,id\n1,2\n", &joined(&lines[1..])] {
        assert!(matches!(verify_file(other.as_bytes(), None), Err(NotVerifiable::NotAnExport)), "{other}");
    }
}

/// Longer than a page, with checkpoints in between.
async fn a_long_export_is_streamed(store: Store) {
    let (instance, auditor) = busy(store).await;
    flood(&instance, 2 * SPACING + 50).await;
    let file = auditor.api.get(EXPORT).await.expect(200).text;
    let found = checked(&file);
    assert!(found.verification.valid, "{found:?}");
    assert!(found.verification.checked > 2 * SPACING);
    let bare: Vec<&str> = file.lines().filter(|line| !line.contains(r#""type":"checkpoint""#)).collect();
    assert_broken(&joined(&bare), 2 * SPACING + 1, "unsigned");
}

async fn a_spreadsheet_computes_nothing(store: Store) {
    let (instance, auditor) = busy(store).await;
    let ada = instance.with("user-agent", r#"=HYPERLINK("http://evil.example")"#);
    ada.post("/api/v1/auth/login", json!({ "email": "auditor@example.com", "password": "Wrong-guess-1" })).await.expect(401);
    let answer = auditor.api.get(&format!("{EXPORT}?format=csv")).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let mut rows = answer.text.split("\r\n");
    assert!(rows.next().unwrap().starts_with("seq,id,at,actorType,"));
    assert_eq!(rows.clone().filter(|row| !row.is_empty()).count(), instance.events().await.len());
    let failed = rows.find(|row| row.contains("login.failed")).unwrap();
    assert!(failed.contains(r#",127.0.0.1,"'=HYPERLINK(""http://evil.example"")","#), "{failed}");
    auditor.api.get(&format!("{EXPORT}?format=pdf")).await.expect_problem(400, "invalid_request");
}

both_stores!(
    an_export_is_verified_without_the_database,
    every_change_of_an_export_shows,
    a_long_export_is_streamed,
    a_spreadsheet_computes_nothing
);
