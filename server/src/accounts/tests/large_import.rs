//! Large imports wait sealed in the database and are carried out by a job that any instance takes up; and people go out again in the
//! same form.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use keystead::accounts::import::IMPORT;
use serde_json::{Value, json};

use super::import::{BCRYPT, admin, counts, problems, send};
use crate::support::{Answer, Client, Ground, Instance, PASSWORD, Process, SignedIn, Store, both_stores, eventually};

const ROUTE: &str = "/api/v1/admin/users/import";
const EXPORT: &str = "/api/v1/admin/users/export";
const LEASE_SECONDS: u64 = 61;

fn person(n: usize) -> String {
    json!({"email": format!("p{n}@example.com"), "name": format!("P {n}"), "passwordHash": BCRYPT, "emailVerified": true}).to_string()
}

/// More bytes than a short stream has, in one line that is too long.
fn padding() -> String {
    "x".repeat(1024 * 1024)
}

async fn hand_in(api: &Client, path: &str, lines: &[String]) -> String {
    let body = lines.join("\n").into_bytes();
    let answer = api.send_bytes(Method::POST, path, "application/x-ndjson", body).await.expect(202);
    let location = answer.header("location").expect("where its progress is").to_owned();
    assert_eq!(location, format!("{ROUTE}/{}", answer.str("/job/id")));
    location
}

async fn ended(api: &Client, location: &str) -> Answer {
    eventually("the import to end", async || {
        let answer = api.get(location).await.expect(200);
        (!answer.body["job"]["finishedAt"].is_null()).then_some(answer)
    })
    .await
}

fn job(answer: &Answer) -> (&str, [i64; 3]) {
    let count = |what: &str| answer.body["job"][what].as_i64().unwrap();
    (answer.str("/job/status"), ["imported", "skipped", "failed"].map(count))
}

async fn nothing_is_left(instance: &Instance) {
    for count in ["SELECT count(*) FROM user_import_chunks", "SELECT count(*) FROM user_import_seen"] {
        eventually(count, async || (instance.count(count, vec![]).await == 0).then_some(())).await;
    }
}

async fn a_large_import_is_carried_out_in_the_background(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let mut lines: Vec<String> = (0..1200).map(person).collect();
    // Repeated within a part and across parts, somebody who is there, broken in every way.
    lines.extend([person(3), person(1199), json!({"email": "ROOT@example.com", "name": "Mallory", "roles": ["admin"]}).to_string()]);
    lines.extend(["{".to_owned(), padding(), json!({"email": "x", "name": ""}).to_string(), String::new()]);
    for (n, hash) in [
        "pbkdf2_sha256$1000$seasalt2$SV4Z9PbQnesCnFu7AlPW1QQ+un6ptkMFIOhUhMTIS0A=",
        "$P$6DzkqJ0mzHPTyaPUkMKSOsHRNe514q1",
        "{SSHA}IP8rSisp3XzWE0JRkxwRC2b/ih6G8B4j",
        "md5:0123",
    ]
    .into_iter()
    .enumerate()
    {
        lines.push(json!({"email": format!("h{n}@example.com"), "name": "H", "passwordHash": hash}).to_string());
    }
    let mut body = lines.join("\n").into_bytes();
    body.extend(b"\n{\"email\":\"\xff\xfe@example.com\",\"name\":\"U\"}\n");
    body.extend(person(5000).as_bytes());

    let answer = admin.api.send_bytes(Method::POST, ROUTE, "application/x-ndjson", body).await.expect(202);
    let location = answer.header("location").unwrap().to_owned();
    let report = ended(&admin.api, &location).await;
    assert_eq!(job(&report), ("done", [1204, 3, 5]), "{report}");
    assert_eq!((&report.body["job"]["progress"], &report.body["job"]["lines"]), (&json!(100), &json!(1213)), "{report}");
    assert_eq!(instance.count("SELECT count(*) FROM users", vec![]).await, 1205);
    let errors = report.body["job"]["errors"].as_array().unwrap();
    let line = |n: i64| errors.iter().filter(|error| error["line"] == n).map(|error| error["code"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((line(1204), line(1205), line(1212)), (vec!["invalid_json"], vec!["line_too_long"], vec!["invalid_json"]), "{report}");
    assert_eq!((line(1206), line(1211)), (vec!["invalid_email", "required"], vec!["unknown_hash"]), "{report}");
    nothing_is_left(&instance).await;
    instance.signed_in("p1199@example.com").await;
    instance.signed_in("p5000@example.com").await;
    let acts = instance.events().await;
    assert_eq!(acts.iter().filter(|event| event.action == "users.import_queued").count(), 1);
    assert!(acts.iter().filter(|event| event.action == "users.imported").all(|event| event.actor.unwrap().to_string() == admin.id()));
}

async fn a_large_dry_run_writes_nobody(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let mut lines: Vec<String> = (0..1100).map(person).collect();
    lines.extend([padding(), person(0), person(1099), json!({"email": "root@example.com", "name": "R"}).to_string()]);
    let location = hand_in(&admin.api, &format!("{ROUTE}?dryRun=true"), &lines).await;
    let report = ended(&admin.api, &location).await;
    assert_eq!(job(&report), ("done", [1100, 3, 1]), "{report}");
    assert_eq!(instance.count("SELECT count(*) FROM users", vec![]).await, 1);
    nothing_is_left(&instance).await;
}

/// Each worker of it was killed: whoever waits for the report is told with the end of its job.
async fn an_import_that_kills_its_workers_has_failed(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let location = hand_in(&admin.api, ROUTE, &[padding(), person(0)]).await;
    ended(&admin.api, &location).await;
    instance.change("UPDATE user_imports SET status = 'running', finished_at = NULL", vec![]).await;
    let id = location.rsplit_once('/').unwrap().1.to_owned();
    let (jobs, later) = (instance.running.app.ground.jobs.clone(), instance.clock.now().plus(Duration::from_secs(60)));
    let ticket = json!({ "import": id });
    let enqueue = async move |tx: &mut keystead::db::Tx| jobs.enqueue(tx, keystead::accounts::import::IMPORT, &ticket, later).await;
    instance.running.app.ground.db.write(enqueue).await.unwrap();
    instance.change("UPDATE jobs SET attempts = max_attempts WHERE kind = 'users.import'", vec![]).await;
    instance.advance(Duration::from_secs(61));
    assert_eq!(job(&ended(&admin.api, &location).await).0, "failed");
}

/// What waits is sealed, and whoever may not import sees nothing of it.
async fn what_waits_is_sealed(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let other = instance.signed_up("other@example.com").await;
    let secret = json!({"email": "zephyrine@example.com", "name": "Zephyrine Quill", "passwordHash": BCRYPT}).to_string();
    let lines: Vec<String> = std::iter::once(padding()).chain((0..3000).map(person)).chain([secret]).collect();
    let location = hand_in(&admin.api, ROUTE, &lines).await;
    let rows = instance.rows("SELECT sealed FROM user_import_chunks", vec![]).await;
    other.api.get(&location).await.expect_problem(403, "insufficient_scope");
    assert!(!rows.is_empty(), "the last parts are not carried out yet");
    for row in rows {
        let part: Vec<u8> = row.get(0).unwrap();
        for plain in ["zephyrine", "Zephyrine", BCRYPT] {
            assert!(!part.windows(plain.len()).any(|window| window == plain.as_bytes()), "{plain} stands in the spool");
        }
    }
    let unknown = format!("{ROUTE}/{}", uuid::Uuid::from_u128(7));
    admin.api.get(&unknown).await.expect_problem(404, "not_found");
}

/// An administrator who is locked out goes on making accounts no longer, however much of their stream still waits.
async fn who_lost_the_right_imports_no_more(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let root = instance.signed_up("second@example.com").await;
    instance.set_roles(&root, "admin").await;
    let lines: Vec<String> = std::iter::once(padding()).chain((0..600).map(person)).collect();
    let location = hand_in(&admin.api, ROUTE, &lines).await;
    let id: uuid::Uuid = location.rsplit('/').next().unwrap().parse().unwrap();
    ended(&root.api, &location).await;
    // As it stands when a worker died before the last part, and the role was taken away meanwhile.
    let reopen = "UPDATE user_imports SET status = 'running', finished_at = NULL, chunks = chunks + 1 WHERE id = $1";
    instance.change(reopen, keystead::args![id]).await;
    instance.set_roles(&admin, "user").await;
    let ground = instance.running.app.ground.clone();
    let now = instance.clock.now();
    let enqueue = async move |tx: &mut keystead::db::Tx| ground.jobs.enqueue(tx, IMPORT, &json!({"import": id}), now).await;
    instance.running.app.ground.db.write(enqueue).await.unwrap();
    let report = ended(&root.api, &location).await;
    assert_eq!(job(&report).0, "failed", "{report}");
    assert!(report.str("/job/reason").contains("may not import"), "{report}");
}

/// The power goes in the middle: another process goes on with the next part, and nobody is imported twice or left out.
async fn a_killed_import_goes_on(store: Store) {
    let env =
        [("KEYSTEAD_DEV__CLOCK", "true"), ("KEYSTEAD_ACCOUNTS__REQUIRE_VERIFIED_EMAIL", "false"), ("KEYSTEAD_LIMITS__ENABLED", "false")];
    let process = Process::spawn(Arc::new(Ground::migrated(store).await), &env).await;
    let credentials = json!({"email": "root@example.com", "name": "Root", "password": PASSWORD, "transport": "body"});
    let token = process.api.post("/api/v1/auth/signup", credentials.clone()).await.expect(201).str("/accessToken").to_owned();
    let db = crate::support::database(&process.ground, keystead::db::Store::Main);
    let make_admin = keystead::db::Sql {
        sqlite: "UPDATE users SET roles = 'admin', updated_at = updated_at + 1, version = version + 1",
        postgres: "UPDATE users SET roles = 'admin', updated_at = updated_at + 1, version = version + 1",
    };
    db.write_one(make_admin, vec![]).await.unwrap();
    let api = process.api.with_token(&token);
    const PEOPLE: usize = 6000;
    let lines: Vec<String> = (0..PEOPLE).map(person).collect();
    eventually("the role", async || (api.get("/api/v1/admin/users/import/none").await.status != 403).then_some(())).await;
    let location = hand_in(&api, ROUTE, &lines).await;
    eventually("the first part", async || {
        (api.get(&location).await.expect(200).body["job"]["imported"].as_i64().unwrap() > 0).then_some(())
    })
    .await;
    let ground = process.kill9().await;

    let count = keystead::db::Sql { sqlite: "SELECT count(*) FROM users", postgres: "SELECT count(*) FROM users" };
    let there: i64 = db.query(count, vec![]).await.unwrap()[0].get(0).unwrap();
    assert!(there > 1, "the first part was written");
    let process = Process::spawn(ground, &env).await;
    let token = process.api.post("/api/v1/auth/login", credentials_of(&credentials)).await.expect(200).str("/accessToken").to_owned();
    let api = process.api.with_token(&token);
    process.api.post("/dev/clock", json!({"advance": LEASE_SECONDS})).await.expect(200);
    let report = eventually("the rest", async || {
        let answer = api.get(&location).await.expect(200);
        (answer.body["job"]["status"] == "done").then_some(answer)
    })
    .await;
    assert_eq!(job(&report), ("done", [PEOPLE as i64, 0, 0]), "{report}");
    let there: i64 = db.query(count, vec![]).await.unwrap()[0].get(0).unwrap();
    assert_eq!(there, PEOPLE as i64 + 1);
}

fn credentials_of(signup: &Value) -> Value {
    json!({"email": signup["email"], "password": signup["password"], "transport": "body"})
}

/// A stream that breaks off leaves nothing behind, whatever came before.
async fn what_never_came_whole_is_swept(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let location = hand_in(&admin.api, ROUTE, &[padding(), person(1)]).await;
    ended(&admin.api, &location).await;
    let open = "UPDATE user_imports SET status = 'receiving', finished_at = NULL";
    instance.change(open, vec![]).await;
    let later = instance.advance(Duration::from_secs(3 * 60 * 60));
    instance.running.app.housekeep(later).await;
    assert_eq!(instance.count("SELECT count(*) FROM user_imports", vec![]).await, 0);
}

async fn too_many_may_not_wait(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let location = hand_in(&admin.api, ROUTE, &[padding(), person(1)]).await;
    ended(&admin.api, &location).await;
    for n in 1..=10 {
        let copy = "INSERT INTO user_imports SELECT $1, 'receiving', dry_run, actor_type, actor_id, grantable, created_at, updated_at, NULL, 0, 0, 0,
            0, 0, 0, '[]', NULL FROM user_imports WHERE finished_at IS NOT NULL";
        instance.change(copy, keystead::args![uuid::Uuid::from_u128(n)]).await;
    }
    let lines = [padding(), person(2)].join("\n").into_bytes();
    let answer = admin.api.send_bytes(Method::POST, ROUTE, "application/x-ndjson", lines).await;
    answer.expect_problem(409, "conflict");
}

fn by_address(export: &str) -> HashMap<String, Value> {
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["email"].as_str().unwrap().to_owned(), line)).collect()
}

/// What goes out of one installation comes in at another, and says the same there.
async fn people_go_out_as_they_came_in(store: Store) {
    let here = Instance::start(store).await;
    let admin_here = admin(&here).await;
    let lines = [
        json!({"email": "ada@example.com", "name": "Ada", "role": "Countess", "emailVerified": true, "createdAt": "2020-02-03T04:05:06Z", "passwordHash": BCRYPT}),
        json!({"email": "bob@example.com", "name": "Bob \"B\" \u{1F600}", "roles": ["auditor", "user"], "suspended": true, "emailVerified": true}),
        json!({"email": "eve@example.com", "name": "Eve", "createdAt": "2021-01-01T00:00:00.123456Z"}),
        json!({"email": "fay@example.com", "name": "Fay", "passwordHash": {"type": "firebase-scrypt"}}),
    ];
    let answer = send(&admin_here.api, ROUTE, &lines).await.expect(200);
    assert_eq!(counts(&answer)[2] as usize, problems(&answer).len(), "{answer}");
    let export = admin_here.api.get(EXPORT).await.expect(200);
    assert_eq!(export.header("content-type"), Some("application/x-ndjson"));
    let out = by_address(&export.text);
    assert_eq!(out["bob@example.com"]["suspended"], true);
    assert_eq!(out["ada@example.com"]["passwordHash"], BCRYPT);

    let there = Instance::start(store).await;
    let admin_there = there.signed_up("other@example.com").await;
    there.set_roles(&admin_there, "admin").await;
    let answer =
        admin_there.api.send_bytes(Method::POST, ROUTE, "application/x-ndjson", export.text.clone().into_bytes()).await.expect(200);
    assert_eq!(counts(&answer), [out.len() as i64, 0, 0], "{answer}");
    let mut again = by_address(&admin_there.api.get(EXPORT).await.expect(200).text);
    again.remove("other@example.com");
    assert_eq!(again, out);
    // With their passwords, and no right to more than before.
    there.signed_in("ada@example.com").await;
    let suspended = json!({"email": "bob@example.com", "password": PASSWORD});
    assert_ne!(there.post("/api/v1/auth/login", suspended).await.status, 200);

    let bare = by_address(&admin_here.api.get(&format!("{EXPORT}?passwords=false")).await.expect(200).text);
    assert!(bare.len() == out.len() && bare.values().all(|line| line.get("passwordHash").is_none()));
    let acts = here.events().await;
    let details: Vec<_> = acts.iter().filter(|event| event.action == "users.exported").map(|event| event.details.as_str()).collect();
    assert_eq!(details, [r#"{"passwords":true}"#, r#"{"passwords":false}"#]);
}

async fn only_administrators_export(store: Store) {
    let instance = Instance::start(store).await;
    let person: SignedIn = instance.signed_up("ada@example.com").await;
    for roles in ["user", "auditor"] {
        instance.set_roles(&person, roles).await;
        person.api.get(EXPORT).await.expect_problem(403, "insufficient_scope");
    }
    instance.get(EXPORT).await.expect_problem(401, "unauthenticated");
    assert!(instance.events().await.iter().all(|event| event.action != "users.exported"));
}

/// More than a page of it.
async fn a_long_export_is_streamed(store: Store) {
    let instance = Instance::start(store).await;
    let admin = admin(&instance).await;
    let lines: Vec<Value> = (0..1203).map(|n| json!({"email": format!("p{n}@example.com"), "name": "P"})).collect();
    send(&admin.api, ROUTE, &lines).await.expect(200);
    assert_eq!(by_address(&admin.api.get(EXPORT).await.expect(200).text).len(), 1204);
}

/// Where somebody sat who sent people is theirs: erasing them makes it unreadable, for a short import and for a large one.
async fn where_a_sender_sat_goes_with_them(store: Store) {
    let instance = Instance::start(store).await;
    let sender = admin(&instance).await;
    send(&sender.api, ROUTE, &[json!({"email": "ada@example.com", "name": "Ada"})]).await.expect(200);
    let location = hand_in(&sender.api, ROUTE, &[person(1), padding()]).await;
    ended(&sender.api, &location).await;
    let auditor = instance.signed_up("auditor@example.com").await;
    instance.set_roles(&auditor, "auditor").await;
    let origins = async |action: &str| {
        let path = format!("/api/v1/admin/audit?actor={}&action={action}", sender.id());
        let items = auditor.api.get(&path).await.expect(200).body["items"].clone();
        items.as_array().unwrap().iter().map(|event| event["ip"].clone()).collect::<Vec<_>>()
    };
    // The parts of a large import are written by a job, which sits nowhere.
    assert_eq!(origins("users.imported").await, [json!(null), json!("127.0.0.1")]);
    assert_eq!(origins("users.import_queued").await, [json!("127.0.0.1")]);

    let id = sender.id().parse().unwrap();
    let by = || keystead::accounts::By::of(keystead::audit::Actor::Operator);
    instance.change("UPDATE users SET roles = 'user' WHERE id = $1", keystead::args![uuid::Uuid::parse_str(sender.id()).unwrap()]).await;
    instance.running.app.lifecycle.delete(id, by(), instance.clock.now()).await.unwrap();
    instance.running.app.lifecycle.erase(id, by(), instance.clock.now()).await.unwrap();
    assert_eq!(origins("users.imported").await, [json!(null), json!(null)]);
    assert_eq!(origins("users.import_queued").await, [json!(null)]);
}

both_stores!(
    an_import_that_kills_its_workers_has_failed,
    a_large_import_is_carried_out_in_the_background,
    a_large_dry_run_writes_nobody,
    what_waits_is_sealed,
    who_lost_the_right_imports_no_more,
    a_killed_import_goes_on,
    what_never_came_whole_is_swept,
    too_many_may_not_wait,
    people_go_out_as_they_came_in,
    only_administrators_export,
    a_long_export_is_streamed,
    where_a_sender_sat_goes_with_them,
);
