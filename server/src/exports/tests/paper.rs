//! PDFs as stock programs read them: poppler's text, its picture of a page, its list of fonts.

use std::process::{Command, Stdio};

use serde_json::json;

use super::{EXPORTS, acts, auditor, fetched, ordered, url};
use crate::support::{Instance, Store, both_stores};

/// What a program of poppler says about a document.
pub(super) fn poppler(program: &str, arguments: &[&str], pdf: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.pdf");
    std::fs::write(&path, pdf).unwrap();
    let mut command = Command::new(program);
    // Options stand before the document, and the output behind it.
    let output = if program == "pdftotext" { Some("-") } else { None };
    command.args(arguments).arg(&path).args(output).stdin(Stdio::null());
    let done = command.output().unwrap_or_else(|error| panic!("{program} is missing ({error}): make test-deps"));
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// The text of each page, as it stands.
pub(super) fn pages(pdf: &[u8]) -> Vec<String> {
    let text = String::from_utf8(poppler("pdftotext", &["-layout"], pdf)).unwrap();
    text.trim_end_matches('\u{c}').split('\u{c}').map(str::to_owned).collect()
}

/// How many of the points of a page's picture are not white, in a thousand.
pub(super) fn ink(pdf: &[u8], page: usize) -> usize {
    let number = page.to_string();
    let picture = poppler("pdftoppm", &["-r", "40", "-gray", "-f", &number, "-l", &number], pdf);
    // A grey map: a head of three lines, then a byte a point.
    let head = picture.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).map_or(0, |(at, _)| at + 1);
    let points = &picture[head..];
    points.iter().filter(|point| **point < 0xc0).count() * 1_000 / points.len()
}

async fn the_trail_is_a_table_on_paper(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    acts(&instance, &auditor, 120).await;
    let order = json!({"kind": "audit", "format": "pdf", "filter": {"actor": auditor.id(), "from": "2020-01-01T00:00:00Z"}});
    let export = ordered(&auditor.api, order.clone()).await;
    assert_eq!(export["status"], "ready", "{export}");
    let (status, headers, pdf) = fetched(&auditor, url(&export), &[]).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/pdf"));
    assert!(pdf.starts_with(b"%PDF-1.7"));
    let pages = pages(&pdf);
    assert!(pages.len() > 2, "{} pages", pages.len());
    assert!(!pages.iter().any(|page| page.contains("the fonts in here do not have")), "nothing is lacking");
    for (number, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("page {} of {}", number + 1, pages.len())), "{page}");
        assert!(page.contains("Act") && page.contains("Outcome"), "the header is not repeated: {page}");
        assert!(ink(&pdf, number + 1) > 5, "page {} is blank", number + 1);
    }
    for said in ["Audit trail", "Ada Lovelace (auditor@example.com)", "from 2020-01-01", &format!("Actor {}", auditor.id())] {
        assert!(pages[0].contains(said), "{said} is missing: {}", pages[0]);
    }
    let told = pages.iter().map(|page| page.matches("session.started").count()).sum::<usize>();
    assert!(told >= 120, "{told} rows");
    let info = String::from_utf8(poppler("pdfinfo", &[], &pdf)).unwrap();
    assert!(info.contains("Tagged:          yes") && info.contains("Audit trail: Ada Lovelace"), "{info}");
    // At once, it is the same document.
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let request = http.post(format!("{}{EXPORTS}/stream", auditor.api.base())).bearer_auth(&auditor.access_token).json(&order);
    let streamed = request.send().await.unwrap().bytes().await.unwrap();
    assert!(streamed.starts_with(b"%PDF-1.7") && self::pages(&streamed).len() >= pages.len());
}

async fn an_account_is_readable(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let name = "Ada Łovelace Ωμέγα Юлия שלום مرحبا 日本";
    ada.api.patch("/api/v1/account", json!({"name": name, "role": "Ingénieure"})).await.expect(200);
    let answer = ada.api.post("/api/v1/account/export", json!({"format": "pdf"})).await.expect(202);
    let export = super::over(&ada.api, answer.str("/export/id")).await;
    assert_eq!(export["status"], "ready", "{export}");
    let (_, _, pdf) = fetched(&ada, url(&export), &[]).await;
    let text = pages(&pdf).join("\n");
    for said in [
        "Your personal data",
        "Łovelace",
        "Ωμέγα",
        "Юлия",
        "Ingénieure",
        "Sessions",
        "Audit events",
        "What is not in here",
        "Email verified",
    ] {
        assert!(text.contains(said), "{said} is missing: {text}");
    }
    // Right to left, and each letter joined: poppler gives it back in the order in which it is read.
    assert!(text.contains("שלום") && text.contains("مرحبا"), "{text}");
    // What no font has is a sign to the eye, which is told of, and itself to whoever copies it.
    assert!(text.contains("日本"), "{text}");
    assert!(text.contains("is a character that the fonts in here do not have"), "{text}");
    let fonts = String::from_utf8(poppler("pdffonts", &[], &pdf)).unwrap();
    assert!(fonts.lines().skip(2).count() >= 4, "{fonts}");
    for font in fonts.lines().skip(2) {
        assert!(font.contains("+NotoSans") && font.contains(" yes yes yes "), "not embedded, or not cut down: {font}");
    }
}

/// Python's reader agrees on what stands in which cell.
async fn python_reads_the_same_cells(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    let agent = "Quote \"this\"; and, that";
    instance.with("user-agent", agent).post("/api/v1/auth/login", json!({"email": "x@example.com", "password": "x"})).await.expect(401);
    for (delimiter, filter) in [(",", json!({})), (";", json!({"action": "login.failed"}))] {
        let csv = json!({"delimiter": delimiter, "bom": true});
        let order = json!({"kind": "audit", "format": "csv", "csv": csv, "filter": filter});
        let text = auditor.api.post(super::STREAM, order).await.expect(200).text;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("it.csv"), text).unwrap();
        let script = "import csv, json, sys; print(json.dumps(list(csv.DictReader(open('it.csv', encoding='utf-8-sig', newline=''), delimiter=sys.argv[1]))))";
        let read = Command::new("python3").args(["-c", script, delimiter]).current_dir(folder.path()).output().unwrap();
        let rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(&read.stdout).expect("python read it");
        assert!(!rows.is_empty() && rows.iter().all(|row| row.len() == 15), "{rows:?}");
        let failed = rows.iter().find(|row| row["action"] == "login.failed").unwrap();
        assert_eq!((failed["userAgent"].as_str(), failed["outcome"].as_str()), (Some(agent), Some("denied")));
    }
}

both_stores!(an_account_is_readable, python_reads_the_same_cells, the_trail_is_a_table_on_paper);
