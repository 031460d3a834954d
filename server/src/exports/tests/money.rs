//! Transactions: what an accountant gets, and that it adds up.

use keystead::transactions::{Currency, Entry, Kind, write_many};
use serde_json::{Value, json};

use super::paper::{ink, pages};
use super::{STREAM, fetched, ordered, url};
use crate::support::{Instance, SignedIn, Store, both_stores};

/// (day, kind, amount, currency, category, description)
type Line = (&'static str, Kind, &'static str, &'static str, Option<&'static str>, &'static str);

const LINES: &[Line] = &[
    ("2026-01-05", Kind::Income, "3200.00", "EUR", Some("Gehalt"), "Salaire – janvier"),
    ("2026-01-09", Kind::Expense, "1234.56", "EUR", Some("Miete"), "Ενοίκιο, Аренда, שכר דירה, إيجار"),
    ("2026-01-20", Kind::Expense, "5000", "JPY", None, "=HYPERLINK(\"http://evil.example\")"),
    ("2026-02-02", Kind::Income, "3200.00", "EUR", Some("Gehalt"), "Salaire – février"),
    (
        "2026-02-03",
        Kind::Expense,
        "0.01",
        "EUR",
        Some("Miete"),
        "A description that is far too long for one line of its column, so that it has to go on in the next one, and in the one after that",
    ),
    ("2026-02-28", Kind::Expense, "99.999", "KWD", Some("Reisen"), "東京 → القاهرة"),
];

async fn written(instance: &Instance, person: &SignedIn, lines: &[Line]) {
    let owner = person.id().parse().unwrap();
    let entry = |line: &Line| {
        let currency = Currency::parse(line.3).unwrap();
        Entry {
            amount: currency.amount(line.2).unwrap(),
            currency,
            kind: line.1,
            description: line.5.to_owned(),
            category: line.4.map(str::to_owned),
            occurred_at: keystead::time::Timestamp::parse_rfc3339(&format!("{}T00:00:00Z", line.0)).unwrap(),
        }
    };
    let now = instance.clock.now();
    write_many(&instance.running.app.ground, owner, lines.iter().map(entry).collect(), now).await.unwrap();
}

async fn an_accountant_can_read_it(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    written(&instance, &ada, LINES).await;
    let filter = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"});
    let export = ordered(&ada.api, json!({"kind": "transactions", "format": "pdf", "filter": filter})).await;
    assert_eq!((&export["status"], &export["progress"]), (&json!("ready"), &json!({"percent": 100, "rows": 6})), "{export}");
    let (_, _, pdf) = fetched(&ada, url(&export), &[]).await;
    let text = pages(&pdf).join("\n");
    for said in [
        "Ada Lovelace (ada@example.com)",
        "from 2026-01-01, before 2026-03-01",
        "Salaire – février",
        "Ενοίκιο, Аренда",
        "שכר דירה",
        "=HYPERLINK",
        "By month",
        "By category",
        "without category",
    ] {
        assert!(text.contains(said), "{said} is missing: {text}");
    }
    // Sums stand in the line of what they are of, each currency by itself.
    let line = |of: &[&str]| text.lines().any(|line| of.iter().all(|part| line.contains(part)));
    for sums in [
        &["Subtotal 2026-01 (2 rows)", "EUR", "1,965.44"][..],
        &["Subtotal 2026-01 (1 row)", "JPY", "-5,000"],
        &["Subtotal 2026-02 (1 row)", "KWD", "-99.999"],
        &["2026-02", "EUR", "3,200.00", "-0.01", "3,199.99"],
        &["Gehalt", "EUR", "6,400.00", "0.00", "6,400.00"],
        &["Total", "EUR", "6,400.00", "-1,234.57", "5,165.43"],
        &["Total", "JPY", "0", "-5,000", "-5,000"],
    ] {
        assert!(line(sums), "{sums:?} is missing: {text}");
    }
    // Wrapped in its column, not cut.
    assert!(text.contains("far too long for one line") && text.contains("after that"), "{text}");
    assert!(ink(&pdf, 1) > 5);
}

async fn a_column_adds_up(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    written(&instance, &ada, LINES).await;
    written(&instance, &eve, &LINES[..1]).await;
    let csv = ada.api.post(STREAM, json!({"kind": "transactions", "format": "csv"})).await.expect(200).text;
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert!(lines[0].starts_with("id,occurredAt,description,category,kind,currency,amount,metadata"), "{}", lines[0]);
    assert!(lines.len() == 8 && lines[7].is_empty(), "six rows of her own, oldest first: {csv}");
    assert!(lines[1].contains("2026-01-05T00:00:00Z,Salaire – janvier,Gehalt,income,EUR,3200.00,"), "{}", lines[1]);
    assert!(lines[3].contains("\"'=HYPERLINK(\"\"http://evil.example\"\")\",,expense,JPY,-5000,"), "{}", lines[3]);
    let european = json!({"kind": "transactions", "format": "csv", "csv": {"delimiter": ";"}, "filter": {"currency": "KWD"}});
    let text = ada.api.post(STREAM, european).await.expect(200).text;
    assert!(text.contains(";KWD;-99,999;") && text.lines().count() == 2, "{text}");
    let all = ada.api.post(STREAM, json!({"kind": "transactions", "format": "json", "filter": {"kind": "income"}})).await.expect(200);
    let amounts: Vec<&Value> = all.body["transactions"].as_array().unwrap().iter().map(|row| &row["amount"]).collect();
    assert_eq!(amounts, [&json!("3200.00"), &json!("3200.00")]);
    let order = json!({"kind": "transactions", "format": "csv", "filter": {"kind": "gift"}});
    ada.api.post(STREAM, order).await.expect_problem(400, "invalid_request");
}

/// Ten thousand rows take seconds; in a build without optimisation, on a busy machine, some more.
async fn timing_ten_thousand_rows_on_paper(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let many: Vec<Line> = LINES.iter().copied().cycle().take(400).collect();
    for _ in 0..25 {
        written(&instance, &ada, &many).await;
    }
    let answer = ada.api.post("/api/v1/exports", json!({"kind": "transactions", "format": "pdf"})).await.expect(202);
    let id = answer.str("/export/id").to_owned();
    let mut export = Value::Null;
    for _ in 0..24 {
        // The listener is told until it is over.
        let told = ada.api.get(&format!("/api/v1/exports/{id}/events")).await;
        assert!(told.status == 200 || told.status == 204);
        export = ada.api.get(&format!("/api/v1/exports/{id}")).await.expect(200).body["export"].clone();
        if export["status"] == "ready" {
            break;
        }
    }
    assert_eq!((&export["status"], &export["progress"]["rows"]), (&json!("ready"), &json!(10_000)), "{export}");
    let (_, _, pdf) = fetched(&ada, url(&export), &[]).await;
    let pages = pages(&pdf);
    assert!(pages.len() > 200 && pages.iter().all(|page| page.contains(&format!("of {}", pages.len()))));
}

both_stores!(a_column_adds_up, an_accountant_can_read_it, timing_ten_thousand_rows_on_paper);
