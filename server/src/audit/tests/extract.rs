//! P9: exports in part. They go on behind one that somebody has, or hold what passes a filter; either way whatever was changed shows.

use keystead::args;
use keystead::audit::{self, Broken, FileVerification, SPACING, verify_file};
use serde_json::{Value, json};
use uuid::Uuid;

use super::chain::{busy, sealed};
use super::checkpoints::flood;
use crate::support::{Store, both_stores};

const EXPORT: &str = "/api/v1/admin/audit/export";

fn checked(file: &str) -> FileVerification {
    verify_file(file.as_bytes(), None).unwrap()
}

#[track_caller]
fn assert_whole(file: &str, events: i64) {
    let found = checked(file).verification;
    assert_eq!((found.first_broken, found.checked), (None, events), "{file}");
}

#[track_caller]
fn assert_broken(file: &str, seq: i64, reason: &'static str) {
    assert_eq!(checked(file).verification.first_broken, Some(Broken { seq, reason }), "{file}");
}

fn joined(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [*line, "\n"]).collect()
}

fn events(file: &str) -> Vec<Value> {
    let lines = file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["type"] == "event").collect()
}

async fn an_export_goes_on_behind_another(store: Store) {
    let (instance, auditor) = busy(store).await;
    let first = auditor.api.get(EXPORT).await.expect(200).text;
    let last = checked(&first).verification.sealed_up_to;
    flood(&instance, SPACING + 7).await;
    let file = auditor.api.get(&format!("{EXPORT}?after={last}")).await.expect(200).text;
    assert_whole(&file, SPACING + 8);
    assert_eq!(events(&file)[0]["seq"], last + 1);
    // In the middle between two checkpoints, and at the very end.
    let middle = SPACING / 2;
    let half = auditor.api.get(&format!("{EXPORT}?after={middle}")).await.expect(200).text;
    assert_eq!((checked(&half).verification.valid, events(&half)[0]["seq"].as_i64()), (true, Some(middle + 1)));
    let csv = auditor.api.get(&format!("{EXPORT}?format=csv&after={last}")).await.expect(200).text;
    assert!(csv.lines().nth(1).unwrap().starts_with(&format!("{},", last + 1)), "{csv}");

    let lines: Vec<&str> = half.lines().collect();
    let without = |gone: usize| joined(&[&lines[..gone], &lines[gone + 1..]].concat());
    assert_broken(&without(2), middle + 1, "missing");
    assert_broken(&without(7), middle + 6, "missing");
    assert_broken(&without(1), 1, "missing");
    let moved = half.replacen(&format!(r#""type":"from","seq":{middle}"#), &format!(r#""type":"from","seq":{}"#, middle + 1), 1);
    assert_ne!(moved, half);
    assert_broken(&moved, middle + 1, "forged");
    for (query, code) in [("after=-1", "invalid_request"), ("after=99999999", "invalid_request"), ("after=x", "invalid_request")] {
        auditor.api.get(&format!("{EXPORT}?{query}")).await.expect_problem(400, code);
    }
}

/// Somebody who can write the table takes the line that an export in part begins with, to say that the trail begins there.
async fn where_an_export_begins_is_not_where_the_trail_does(store: Store) {
    let (instance, auditor) = busy(store).await;
    let file = auditor.api.get(&format!("{EXPORT}?after=5")).await.expect(200).text;
    let from: Value = serde_json::from_str(file.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&from["type"], &from["seq"]), (&json!("from"), &json!(5)));
    let at = keystead::time::Timestamp::parse_rfc3339(from["at"].as_str().unwrap()).unwrap();
    let signature = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, from["signature"].as_str().unwrap()).unwrap();
    let kid = from["kid"].as_str().unwrap().to_owned();
    for kind in ["begins", "checkpoint", "from"] {
        instance.change("DELETE FROM audit_checkpoints WHERE seq = 5", vec![]).await;
        let forge = "INSERT INTO audit_checkpoints (seq, kind, hash, at, kid, signature)
            SELECT seq, $1, hash, $2, $3, $4 FROM audit_events WHERE seq = 5";
        instance.change(forge, args![kind.to_owned(), at, kid.clone(), signature.clone()]).await;
        let found = audit::verify(&instance.running.app.ground).await.unwrap();
        assert_eq!(found.first_broken, Some(Broken { seq: 5, reason: "forged" }), "{kind}");
    }
}

async fn an_extract_holds_what_passes_and_shows_every_change(store: Store) {
    let (_instance, auditor) = busy(store).await;
    let id = auditor.id();
    let file = auditor.api.get(&format!("{EXPORT}?actor={id}&action=consent.given")).await.expect(200).text;
    assert_whole(&file, 8);
    assert!(events(&file).iter().all(|event| event["action"] == "consent.given"));
    let csv = auditor.api.get(&format!("{EXPORT}?format=csv&actor={id}&action=consent.given")).await.expect(200).text;
    assert_eq!(csv.matches("\r\n").count(), 9, "{csv}");
    for (query, wanted) in [("outcome=denied", 0), ("action=user.registered", 1), ("to=1970-01-02T00:00:00Z", 0)] {
        let narrowed = auditor.api.get(&format!("{EXPORT}?{query}")).await.expect(200).text;
        assert_whole(&narrowed, wanted);
    }
    let target = auditor.api.get(&format!("{EXPORT}?target={id}&after=2")).await.expect(200).text;
    assert!(checked(&target).verification.valid && events(&target).iter().all(|event| event["seq"].as_i64() > Some(2)), "{target}");

    let lines: Vec<&str> = file.lines().collect();
    let seq = |line: usize| serde_json::from_str::<Value>(lines[line]).unwrap()["seq"].as_i64().unwrap();
    let without = |gone: usize| joined(&[&lines[..gone], &lines[gone + 1..]].concat());
    // Left out in the middle, at the beginning, at the end; moved; doubled; edited; cut off.
    assert_broken(&without(3), seq(4), "unlinked");
    assert_broken(&without(1), seq(2), "unlinked");
    assert_broken(&without(8), seq(7) + 1, "rewritten");
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    assert_broken(&joined(&swapped), seq(4), "unlinked");
    assert_broken(&joined(&[&lines[..4], &lines[3..]].concat()), seq(3), "unlinked");
    let edited = lines[3].replacen(r#""outcome":"success""#, r#""outcome":"denied""#, 1);
    let edited: Vec<&str> = lines.iter().enumerate().map(|(n, line)| if n == 3 { edited.as_str() } else { line }).collect();
    assert_broken(&joined(&edited), seq(3), "altered");
    assert_broken(&joined(&lines[..lines.len() - 1]), seq(8) + 1, "unfinished");
    // Narrowed by something else, it holds too little or too much.
    let other = file.replacen(r#""action":"consent.given","#, "", 1);
    assert_ne!(other, file);
    assert_broken(&other, seq(1), "unlinked");
    // The end of another extract.
    let narrow = auditor.api.get(&format!("{EXPORT}?action=user.registered")).await.expect(200).text;
    let end = narrow.lines().last().unwrap();
    assert_broken(&joined(&[&lines[..lines.len() - 1], &[end]].concat()), seq(8) + 1, "rewritten");
    // Nor does a line of an extract pass in a whole export.
    let whole = auditor.api.get(EXPORT).await.expect(200).text;
    assert_broken(&whole.replacen(r#""seq":4,"#, r#""extract":"00","seq":4,"#, 1), 4, "altered");
    for query in ["actor=ada", "from=yesterday", "outcome=maybe", "action=", "cursor=x"] {
        auditor.api.get(&format!("{EXPORT}?{query}")).await.expect_problem(400, "invalid_request");
    }
}

/// What was added or edited by hand is not vouched for, although it would look sound by itself.
async fn nothing_untrue_is_signed(store: Store) {
    let (instance, auditor) = busy(store).await;
    sealed(&instance).await;
    let add = "INSERT INTO audit_events (id, at, actor_type, action, target_type, outcome, details, seq, previous_hash, hash)
        SELECT $1, at, 'system', 'user.created', 'user', 'success', '{}', 100000, hash, hash FROM audit_events WHERE seq = 3";
    instance.change("UPDATE audit_events SET outcome = 'denied' WHERE seq = 4", vec![]).await;
    auditor.api.get(&format!("{EXPORT}?after=6")).await.expect_problem(409, "conflict");
    instance.change("UPDATE audit_events SET outcome = 'success' WHERE seq = 4", vec![]).await;
    auditor.api.get(&format!("{EXPORT}?after=6")).await.expect(200);
    sealed(&instance).await;
    instance.change(add, args![Uuid::from_u128(7)]).await;
    let event = audit::Event::new(&instance.running.app.ground, audit::AUDIT_EXPORTED, instance.clock.now());
    let filter = audit::Typed { action: Some("user.created".to_owned()), ..audit::Typed::default() };
    let selection = audit::Selection { filter: Some(audit::Filter::check(&filter).unwrap()), after: None };
    let ground = &instance.running.app.ground;
    let opened = audit::Export::open(ground, audit::Format::Ndjson, selection, event).await;
    let Ok(mut export) = opened else { return };
    let refused = loop {
        match export.next().await {
            Ok(Some(bytes)) => assert!(!String::from_utf8_lossy(&bytes).contains("user.created\",\"target"), "it was vouched for"),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(refused, "an extract of a broken trail came to its end");
}

both_stores!(
    an_export_goes_on_behind_another,
    where_an_export_begins_is_not_where_the_trail_does,
    an_extract_holds_what_passes_and_shows_every_change,
    nothing_untrue_is_signed
);
