//! People come from another system with the hashes they had there (A2).

use std::time::Duration;

use http::Method;
use keystead::accounts::import::{LINE_MAX, Lines, PROBLEMS_MAX};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Instance, PASSWORD, SignedIn, Store, both_stores, eventually};

const IMPORT: &str = "/api/v1/admin/users/import";
const ADMIN: &str = "root@example.com";
/// `Tall-Giraffe-Sings-42` as bcrypt of another system wrote it.
pub const BCRYPT: &str = "$2b$04$xUy2jUoC6nNLdKs3fHO1tuOFSp6sk693BewN14eJh0TCJbdTtqOHG";

pub async fn admin(instance: &Instance) -> SignedIn {
    let admin = instance.signed_up(ADMIN).await;
    instance.set_roles(&admin, "admin").await;
    admin
}

pub async fn send(api: &Client, path: &str, lines: &[Value]) -> Answer {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    api.send_bytes(Method::POST, path, "application/x-ndjson", body.into_bytes()).await
}

pub fn counts(answer: &Answer) -> [i64; 3] {
    ["imported", "skipped", "failed"].map(|what| answer.body[what].as_i64().unwrap())
}

pub fn problems(answer: &Answer) -> Vec<(i64, &str)> {
    let errors = answer.body["errors"].as_array().unwrap();
    errors.iter().map(|error| (error["line"].as_i64().unwrap(), error["code"].as_str().unwrap())).collect()
}

/// A hash as this installation makes them, at a lower cost than the one it makes now.
async fn old_hash(instance: &Instance) -> String {
    let row = instance.rows("SELECT password_hash FROM users ORDER BY id LIMIT 1", vec![]).await;
    row[0].get::<String>(0).unwrap()
}

async fn people_bring_their_password_along(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let hash = old_hash(&instance).await;
    let lines = [
        json!({"email": " Ada@Example.com ", "name": "Ada", "role": "Countess", "emailVerified": true, "createdAt": "2020-02-03T04:05:06Z", "passwordHash": hash}),
        json!({"email": "bob@example.com", "name": "Bob", "passwordHash": BCRYPT, "emailVerified": true, "roles": ["auditor", "user"]}),
        json!({"email": "eve@example.com", "name": "Eve"}),
        json!({"email": "zoe@example.com", "name": "Zoe", "passwordHash": BCRYPT}),
    ];
    let answer = send(&admin.api, IMPORT, &lines).await.expect(200);
    assert_eq!(counts(&answer), [4, 0, 0], "{answer}");
    let ada = instance.signed_in("ada@example.com").await;
    assert_eq!((&ada.user["name"], &ada.user["role"], &ada.user["emailVerified"]), (&json!("Ada"), &json!("Countess"), &json!(true)));
    assert_eq!(ada.user["createdAt"], "2020-02-03T04:05:06Z");
    let no_password = json!({"email": "eve@example.com", "password": PASSWORD});
    instance.post("/api/v1/auth/login", no_password).await.expect_problem(401, "invalid_credentials");
    let unconfirmed = json!({"email": "zoe@example.com", "password": PASSWORD});
    instance.post("/api/v1/auth/login", unconfirmed).await.expect_problem(403, "email_not_verified");
    let bob = instance.signed_in("bob@example.com").await;
    assert_eq!(bob.user["roles"], json!(["auditor", "user"]));
    // The foreign hash is gone after the first sign-in.
    let bob_hash = async || {
        let rows = instance.rows("SELECT password_hash FROM users WHERE roles = 'auditor user'", vec![]).await;
        rows[0].get::<String>(0).unwrap().starts_with("$argon2id$").then_some(())
    };
    eventually("a hash of our own", bob_hash).await;
    let acts = instance.events().await.into_iter().filter(|event| event.action == "users.imported").collect::<Vec<_>>();
    assert_eq!((acts.len(), acts[0].details.as_str()), (1, r#"{"imported":4}"#));
    assert_eq!(acts[0].actor.unwrap().to_string(), admin.id());
}

/// The same stream twice is the way to go on after one that broke off.
async fn whoever_is_there_is_skipped(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let lines: Vec<_> = (0..1203).map(|n| json!({"email": format!("p{n}@example.com"), "name": format!("P {n}")})).collect();
    assert_eq!(counts(&send(&admin.api, IMPORT, &lines[..700]).await.expect(200)), [700, 0, 0]);
    let taken = json!({"email": "ROOT@example.com", "name": "Mallory", "roles": ["admin"]});
    let again = [&lines[..], &lines[5..6], &[taken]].concat();
    assert_eq!(counts(&send(&admin.api, IMPORT, &again).await.expect(200)), [503, 702, 0]);
    assert_eq!(instance.count("SELECT count(*) FROM users", vec![]).await, 1204);
    assert_eq!(admin.api.get("/api/v1/account").await.expect(200).str("/user/name"), "Ada Lovelace");
    let keys = instance
        .running
        .app
        .ground
        .vault
        .query(keystead::db::Sql { sqlite: "SELECT count(*) FROM person_keys", postgres: "SELECT count(*) FROM person_keys" }, vec![]);
    assert_eq!(keys.await.unwrap()[0].get::<i64>(0).unwrap(), 1204, "no key without a person");
}

async fn two_imports_at_once_make_one_account_each(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let lines: Vec<_> = (0..300).map(|n| json!({"email": format!("p{n}@example.com"), "name": "P"})).collect();
    let all = futures_util::future::join_all((0..4).map(|_| send(&admin.api, IMPORT, &lines))).await;
    let imported: i64 = all.iter().map(|answer| counts(answer)[0]).sum();
    assert_eq!(imported, 300);
    assert_eq!(instance.count("SELECT count(*) FROM users", vec![]).await, 301);
}

async fn wrong_lines_are_named_and_harm_nobody(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let good = |n: u32| json!({"email": format!("good{n}@example.com"), "name": "Good"}).to_string();
    let lines = [
        "\u{feff}".to_owned() + &good(1),
        "{".to_owned(),
        String::new(),
        r#"["an","array"]"#.to_owned(),
        json!({"email": "x@example.com", "name": "X", "password": PASSWORD}).to_string(),
        json!({"email": "no address", "name": " ", "roles": ["root"], "createdAt": "yesterday", "passwordHash": "md5"}).to_string(),
        json!({"email": "y@example.com", "name": "x".repeat(LINE_MAX)}).to_string(),
        json!({"email": "z@example.com", "name": "Z", "createdAt": "2999-01-01T00:00:00Z", "passwordHash": 7}).to_string(),
        json!({"name": "Nobody"}).to_string(),
        good(2) + "\r",
        good(3),
    ];
    let mut body = lines.join("\n").into_bytes();
    body.extend(b"\n\xff\xfe\n");
    let answer = admin.api.send_bytes(Method::POST, IMPORT, "application/x-ndjson; charset=utf-8", body).await.expect(200);
    assert_eq!(counts(&answer), [3, 0, 8], "{answer}");
    let expected = [
        (2, "invalid_json"),
        (4, "invalid_line"),
        (5, "invalid_line"),
        (6, "invalid_email"),
        (6, "required"),
        (6, "unknown_role"),
        (6, "invalid_time"),
        (6, "unknown_hash"),
        (7, "line_too_long"),
        (8, "in_the_future"),
        (8, "unknown_hash"),
        (9, "invalid_line"),
        (12, "invalid_json"),
    ];
    assert_eq!(problems(&answer), expected, "{answer}");
    assert!(!answer.text.contains(PASSWORD), "{answer}");
    let many = vec![json!({}); PROBLEMS_MAX + 5];
    let answer = send(&admin.api, IMPORT, &many).await.expect(200);
    assert_eq!((counts(&answer)[2], problems(&answer).len()), (PROBLEMS_MAX as i64 + 5, PROBLEMS_MAX));
}

async fn a_dry_run_writes_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let mut lines: Vec<_> = (0..600).map(|n| json!({"email": format!("p{n}@example.com"), "name": "P"})).collect();
    lines.extend([lines[0].clone(), json!({"email": ADMIN, "name": "Root"}), json!({"email": "x", "name": "X"})]);
    let before = instance.events().await.len();
    let answer = send(&admin.api, &format!("{IMPORT}?dryRun=true"), &lines).await.expect(200);
    assert_eq!(counts(&answer), [600, 2, 1]);
    assert_eq!(instance.count("SELECT count(*) FROM users", vec![]).await, 1);
    assert_eq!(instance.events().await.len(), before);
}

async fn only_who_may_imports(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let auditor = instance.signed_up("auditor@example.com").await;
    let line = [json!({"email": "ada@example.com", "name": "Ada"})];
    for roles in ["user", "auditor"] {
        instance.set_roles(&auditor, roles).await;
        send(&auditor.api, IMPORT, &line).await.expect_problem(403, "insufficient_scope");
    }
    send(&instance, IMPORT, &line).await.expect_problem(401, "unauthenticated");
    admin.api.post(IMPORT, line[0].clone()).await.expect_problem(415, "unsupported_media_type");
    send(&admin.api, &format!("{IMPORT}?dry=1"), &line).await.expect_problem(400, "invalid_request");
    assert_eq!(counts(&send(&admin.api, IMPORT, &[]).await.expect(200)), [0, 0, 0]);
    assert_eq!(instance.count("SELECT count(*) FROM users", vec![]).await, 2);
}

/// A role that is taken away ends what it allowed at once, with a token that was issued before; on another instance within a second.
async fn a_role_counts_as_it_is_now(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let person = instance.signed_up("ada@example.com").await;
    let there = second.with_token(&person.access_token);
    for (roles, status) in [("user", 403), ("admin", 200), ("auditor", 403), ("admin", 200), ("user", 403)] {
        let id: uuid::Uuid = person.id().parse().unwrap();
        let now = instance.advance(Duration::from_millis(5)).as_micros();
        let change = "UPDATE users SET roles = $1, updated_at = $2, version = version + 1 WHERE id = $3";
        instance.change(change, keystead::args![roles.to_owned(), now, id]).await;
        eventually("the change", async || {
            let mut seen = Vec::new();
            for api in [&person.api, &there] {
                seen.push(send(api, &format!("{IMPORT}?dryRun=true"), &[]).await.status);
            }
            (seen == [status, status]).then_some(())
        })
        .await;
    }
}

proptest! {
    /// However the stream is cut, the lines are the same.
    #[test]
    fn lines_do_not_depend_on_the_cuts(text in "([a-z ]{0,9}\n?){0,20}", cuts in prop::collection::vec(0usize..200, 0..8)) {
        let whole = |pieces: Vec<&[u8]>| {
            let mut lines = Lines::default();
            let mut all: Vec<_> = pieces.into_iter().flat_map(|piece| lines.push(piece)).collect();
            all.extend(lines.finish());
            all
        };
        let bytes = text.as_bytes();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        pieces.push(&bytes[from..]);
        let expected: Vec<_> = (1..).zip(text.split('\n')).filter(|(_, line)| !line.trim().is_empty())
            .map(|(number, line)| (number, Some(line.trim().as_bytes().to_vec()))).collect();
        prop_assert_eq!(whole(pieces), expected);
    }
}

both_stores!(
    people_bring_their_password_along,
    whoever_is_there_is_skipped,
    two_imports_at_once_make_one_account_each,
    wrong_lines_are_named_and_harm_nobody,
    a_dry_run_writes_nothing,
    only_who_may_imports,
    a_role_counts_as_it_is_now
);
