//! `keystead users list`.

use serde_json::Value;

use super::command::{keystead, run};
use crate::support::{Ground, PASSWORD, Store, both_stores};

async fn create(ground: &Ground, email: &str, name: &str) {
    let args = ["users", "create", "--email", email, "--name", name, "--verified", "--password-stdin"];
    run(ground, &args, PASSWORD, &[]).await.good();
}

/// The addresses of a listing, and where it goes on.
async fn listed(ground: &Ground, args: &[&str]) -> (Vec<String>, Option<String>) {
    let listing = keystead(ground, &[&["users", "list", "--json"], args].concat()).await.good().json();
    let emails = listing["items"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect();
    (emails, listing["nextCursor"].as_str().map(str::to_owned))
}

async fn accounts_are_found(store: Store) {
    let ground = Ground::migrated(store).await;
    assert_eq!(listed(&ground, &[]).await, (vec![], None));
    create(&ground, "ada@example.com", "Ada Lovelace").await;
    create(&ground, "grace@example.com", "Grace Hopper").await;
    create(&ground, "alan@example.com", "Alan Turing").await;
    keystead(&ground, &["users", "suspend", "grace@example.com"]).await.good();
    keystead(&ground, &["users", "delete", "alan@example.com"]).await.good();
    let emails = async |args: &[&str]| listed(&ground, args).await.0;

    assert_eq!(emails(&[]).await, ["grace@example.com", "ada@example.com"]);
    assert_eq!(emails(&["--include-deleted"]).await, ["alan@example.com", "grace@example.com", "ada@example.com"]);
    assert_eq!(emails(&["--status", "suspended"]).await, ["grace@example.com"]);
    assert_eq!(emails(&["--status", "deleted"]).await, ["alan@example.com"]);
    assert!(emails(&["--status", "pending"]).await.is_empty());
    assert_eq!(emails(&["--query", " ADA@example.com "]).await, ["ada@example.com"]);
    assert!(emails(&["--query", "alan@example.com"]).await.is_empty(), "deleted ones only on request");
    assert_eq!(emails(&["--query", "alan@example.com", "--include-deleted"]).await, ["alan@example.com"]);
    assert!(emails(&["--query", "ada@example.com", "--status", "suspended"]).await.is_empty());
    assert_eq!(emails(&["--query", "LOVE"]).await, ["ada@example.com"]);
    assert_eq!(emails(&["--query", "a"]).await, ["grace@example.com", "ada@example.com"]);
    assert!(emails(&["--query", "nobody"]).await.is_empty());

    let table = keystead(&ground, &["users", "list"]).await.good().stdout;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("ID  ") && lines[0].ends_with("LAST ACTIVE") && lines.len() == 3, "{table}");
    assert!(lines[2].contains("  ada@example.com    Ada Lovelace  active     user   2"), "{table}");
}

async fn long_lists_are_read_page_by_page(store: Store) {
    let ground = Ground::migrated(store).await;
    let names = ["Ada", "Bea", "Cleo", "Dora", "Ada"];
    for (number, name) in names.iter().enumerate() {
        create(&ground, &format!("{number}@example.com"), name).await;
    }
    let (first, cursor) = listed(&ground, &["--limit", "2"]).await;
    let (second, next) = listed(&ground, &["--limit", "2", "--cursor", &cursor.unwrap()]).await;
    let (third, end) = listed(&ground, &["--limit", "2", "--cursor", &next.unwrap()]).await;
    assert_eq!([first, second, third].concat(), ["4@example.com", "3@example.com", "2@example.com", "1@example.com", "0@example.com"]);
    assert_eq!(end, None);
    assert_eq!(listed(&ground, &["--limit", "5"]).await.1, None, "nothing follows a page that holds all");

    let (first, cursor) = listed(&ground, &["--query", "ada", "--limit", "1"]).await;
    let (second, end) = listed(&ground, &["--query", "ada", "--limit", "1", "--cursor", &cursor.unwrap()]).await;
    assert_eq!(([first, second].concat(), end), (vec!["4@example.com".to_owned(), "0@example.com".to_owned()], None));

    let table = keystead(&ground, &["users", "list", "--limit", "1"]).await.good().stdout;
    assert!(table.contains("\nThere may be more: --cursor "), "{table}");
    let listing: Value = keystead(&ground, &["users", "list", "--limit", "1", "--json"]).await.good().json();
    assert_eq!(listing["items"][0]["name"], "Ada");
}

both_stores!(accounts_are_found, long_lists_are_read_page_by_page);
