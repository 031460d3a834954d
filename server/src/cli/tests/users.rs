//! `keystead users create|show|unlock|suspend|activate|delete|restore`.

use std::sync::Arc;
use std::time::Instant;

use keystead::db::Store as Which;
use serde_json::{Value, json};

use super::command::{Ran, column, keystead, run};
use crate::support::{Answer, Client, Ground, Instance, PASSWORD, Process, SignedIn, Store, both_stores, eventually};

const ADA: &str = "ada@example.com";

/// Creates an account with [`PASSWORD`].
async fn create(ground: &Ground, email: &str, more: &[&str]) -> Ran {
    let args = [&["users", "create", "--email", email, "--name", "Ada Lovelace", "--password-stdin", "--json"], more].concat();
    run(ground, &args, &format!("{PASSWORD}\n"), &[]).await
}

async fn login(api: &Client, email: &str) -> Answer {
    api.post("/api/v1/auth/login", json!({ "email": email, "password": PASSWORD, "transport": "body" })).await
}

/// Operators' acts on record, in order.
async fn acts(ground: &Ground) -> Vec<String> {
    column(ground, Which::Main, "SELECT action FROM audit_events WHERE actor_type = 'operator' ORDER BY id").await
}

async fn a_verified_account_signs_in_at_once(store: Store) {
    let instance = Instance::start(store).await;
    let more = ["--verified", "--role", "Engineer", "--roles", "admin,user,admin"];
    let created = create(&instance.ground, " Ada@EXAMPLE.com", &more).await.good().json();
    let ada = SignedIn::from(&instance, &login(&instance, ADA).await.expect(200));
    let mut told = ada.api.get("/api/v1/auth/me").await.expect(200).body;
    told["user"]["lastActiveAt"] = Value::Null;
    assert_eq!(created, told, "the command and the API show the same");
    let user = &created["user"];
    assert_eq!((&user["email"], &user["role"], &user["roles"]), (&json!(ADA), &json!("Engineer"), &json!(["admin", "user"])));
    assert_eq!((&user["status"], &user["emailVerified"]), (&json!("active"), &json!(true)));
    assert_eq!(acts(&instance.ground).await, ["user.created"]);
}

async fn an_account_that_is_not_verified_gets_the_code(store: Store) {
    let instance = Instance::start(store).await;
    let created = create(&instance.ground, ADA, &[]).await.good().json();
    assert_eq!((&created["user"]["status"], &created["user"]["emailVerified"]), (&json!("pending"), &json!(false)));
    login(&instance, ADA).await.expect_problem(403, "email_not_verified");
    let code = instance.mail_to(ADA).await.code();
    instance.post("/api/v1/auth/verify-email", json!({ "email": ADA, "code": code })).await.expect(200);
    login(&instance, ADA).await.expect(200);
}

async fn accounts_are_imported_from_a_file(store: Store) {
    let instance = Instance::start(store).await;
    let lines = [
        json!({"email": ADA, "name": "Ada", "emailVerified": true, "roles": ["admin"]}),
        json!({"email": "bob@example.com", "name": "Bob"}),
        json!({"email": "nobody", "name": "Nobody"}),
    ];
    let file = lines.each_ref().map(|line| line.to_string()).join("\n");
    let dry = run(&instance.ground, &["users", "import", "-", "--dry-run"], &file, &[]).await;
    assert_eq!(dry.code, Some(1));
    assert!(
        dry.stdout.contains("line 3: invalid_email") && dry.stdout.contains("Would be imported: 2, skipped: 0, failed: 1."),
        "{}",
        dry.stdout
    );
    let ran = run(&instance.ground, &["users", "import", "-", "--json"], &file, &[]).await;
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["imported"], &report["failed"], ran.code), (&json!(2), &json!(1), Some(1)));
    let path = instance.ground.data_dir().join("people.ndjson");
    std::fs::write(&path, lines[..2].iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let again = keystead(&instance.ground, &["users", "import", path.to_str().unwrap(), "--json"]).await.good().json();
    assert_eq!((&again["imported"], &again["skipped"]), (&json!(0), &json!(2)));
    assert_eq!(acts(&instance.ground).await, ["users.imported"]);
    // And out again, into a file of one's own that is never written over.
    let out = instance.ground.data_dir().join("out.ndjson");
    let export = ["users", "export", "--output", out.to_str().unwrap()];
    keystead(&instance.ground, &export).await.good();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&out).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 2);
    keystead(&instance.ground, &export).await.refused(1, "cannot be written");
    let bare = keystead(&instance.ground, &["users", "export", "--no-passwords"]).await.good().stdout;
    assert!(bare.contains(ADA) && !bare.contains("passwordHash"), "{bare}");
    assert_eq!(acts(&instance.ground).await, ["users.imported", "users.exported", "users.exported"]);
    let missing = keystead(&instance.ground, &["users", "import", "/nowhere/at/all"]).await;
    assert_eq!(missing.code, Some(2));
}

async fn a_made_up_password_is_shown_once(store: Store) {
    let instance = Instance::start(store).await;
    let args = ["users", "create", "--email", ADA, "--name", "Ada", "--verified", "--json"];
    let created = keystead(&instance.ground, &args).await.good().json();
    let password = created["generatedPassword"].as_str().unwrap();
    instance.post("/api/v1/auth/login", json!({ "email": ADA, "password": password })).await.expect(200);
}

async fn a_taken_address_says_so(store: Store) {
    let ground = Ground::migrated(store).await;
    create(&ground, ADA, &["--verified"]).await.good();
    create(&ground, "ADA@example.com", &["--verified"]).await.refused(1, "ADA@example.com has an account already");
    let keys = column(&ground, Which::Keyring, "SELECT CAST(count(*) AS text) FROM person_keys").await;
    assert_eq!(keys, ["1"], "no key is left behind");
    assert_eq!(acts(&ground).await, ["user.created"]);
}

async fn everything_that_is_wrong_is_told_at_once(store: Store) {
    let ground = Ground::migrated(store).await;
    let args = ["users", "create", "--email", "ada", "--name", " ", "--roles", "king", "--password-stdin"];
    let ran = run(&ground, &args, "short\n", &[]).await.refused(2, "error: --email is refused: invalid email\n");
    for wanted in
        ["--name is refused: required", "the password is refused: too short", "missing upper", "missing digit", "user, auditor, admin"]
    {
        assert!(ran.stderr.contains(wanted), "{wanted:?} is not in {ran:#?}");
    }
    let hashed = async |hash: &str| keystead(&ground, &["users", "create", "--email", ADA, "--name", "Ada", "--password-hash", hash]).await;
    hashed("$1$md5crypt").await.refused(2, "in no known format");
    hashed("$2b$12$cut").await.refused(2, "not complete");
    hashed("$scrypt$ln=30,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw").await.refused(2, "too much memory");
    assert!(column(&ground, Which::Keyring, "SELECT CAST(created_at AS text) FROM person_keys").await.is_empty());
}

async fn an_account_goes_through_its_states(store: Store) {
    let instance = Instance::start(store).await;
    let ground = &instance.ground;
    let id = create(ground, ADA, &["--verified"]).await.good().json()["user"]["id"].as_str().unwrap().to_owned();
    let act = async |act: &str, user: &str| keystead(ground, &["users", act, user, "--json"]).await;

    assert_eq!(act("suspend", ADA).await.good().json()["user"]["status"], "suspended");
    login(&instance, ADA).await.expect_problem(403, "forbidden");
    act("suspend", ADA).await.refused(1, "is suspended already");
    act("restore", ADA).await.refused(1, "cannot be restored");
    assert_eq!(act("activate", &id).await.good().json()["user"]["status"], "active");
    login(&instance, ADA).await.expect(200);

    let deleted = act("delete", &id).await.good().json();
    assert_eq!(deleted["user"]["status"], "deleted");
    login(&instance, ADA).await.expect_problem(401, "invalid_credentials");
    let shown = keystead(ground, &["users", "show", ADA, "--json"]).await.good().json();
    assert_eq!((&shown["erasesAt"], &shown["user"]), (&deleted["erasesAt"], &deleted["user"]));
    assert!(deleted["erasesAt"].is_string() && shown["deletedAt"].is_string(), "{shown}");
    act("delete", ADA).await.refused(1, "is deleted already");
    act("activate", ADA).await.refused(1, "keystead users restore");
    assert_eq!(act("restore", ADA).await.good().json()["user"]["status"], "active");
    login(&instance, ADA).await.expect(200);

    let expected = ["user.created", "user.suspended", "user.activated", "user.deleted", "user.restored"];
    assert_eq!(acts(ground).await, expected);
    act("suspend", "nobody@example.com").await.refused(1, "There is no account `nobody@example.com`.");
    act("suspend", "0192d3a0-0000-7000-8000-000000000000").await.refused(1, "There is no account");
    act("suspend", "ada").await.refused(2, "neither an id nor an e-mail address");
}

async fn a_lock_is_lifted(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LOCKOUT__THRESHOLD", 2).start().await;
    let ground = &instance.ground;
    create(ground, ADA, &["--verified"]).await.good();
    let show = async || keystead(ground, &["users", "show", ADA, "--json"]).await.good().json();
    assert_eq!(show().await["lockedUntil"], Value::Null);
    for _ in 0..2 {
        instance.post("/api/v1/auth/login", json!({ "email": ADA, "password": "Wrong-Password-1" })).await.expect(401);
    }
    login(&instance, ADA).await.expect_problem(423, "account_locked");
    assert!(show().await["lockedUntil"].is_string());
    let told = keystead(ground, &["users", "show", ADA]).await.good().stdout;
    assert!(told.contains("\nLocked until  2") && told.contains("\nE-mail        ada@example.com (confirmed)\n"), "{told}");

    assert_eq!(keystead(ground, &["users", "unlock", ADA, "--json"]).await.good().json()["unlocked"], true);
    login(&instance, ADA).await.expect(200);
    let again = keystead(ground, &["users", "unlock", ADA]).await.good().stdout;
    assert_eq!(again, "ada@example.com was not locked; there are no failed sign-ins on record.\n");
    assert_eq!(acts(ground).await, ["user.created", "login.unlocked"]);
}

/// The command has no line into the server: what it changes is noticed by the polls (and pushed through Redis).
async fn process_a_suspended_person_is_signed_out_within_a_second(store: Store) {
    let process = Process::spawn(Arc::new(Ground::migrated(store).await), &[]).await;
    let ground = Arc::clone(&process.ground);
    create(&ground, ADA, &["--verified"]).await.good();
    let ada = SignedIn::from(&process.api, &login(&process.api, ADA).await.expect(200));
    ada.api.get("/api/v1/auth/me").await.expect(200);

    keystead(&ground, &["users", "suspend", ADA]).await.good();
    let suspended = Instant::now();
    let refused = eventually("the server to notice", async || {
        let answer = ada.api.get("/api/v1/auth/me").await;
        (answer.status != 200).then_some(answer)
    });
    refused.await.expect_problem(401, "session_revoked");
    let took = suspended.elapsed();
    assert!(took.as_millis() < 1000, "it took {took:?}");
    process.api.post("/api/v1/auth/refresh", json!({ "refreshToken": ada.refresh_token })).await.expect(401);

    keystead(&ground, &["users", "activate", ADA]).await.good();
    login(&process.api, ADA).await.expect(200);
    assert!(process.terminate().await.success());
}

/// Several processes and a server write to the same files at once, and nobody fails.
async fn flood_of_commands_beside_a_busy_server(store: Store) {
    let instance = Instance::start(store).await;
    let commands = futures_util::future::join_all((0..4).map(|number| {
        let (ground, email) = (Arc::clone(&instance.ground), format!("{number}@example.com"));
        async move { create(&ground, &email, &["--verified"]).await.good() }
    }));
    let sign_ups = futures_util::future::join_all((10..22).map(|number| {
        let request = json!({ "email": format!("{number}@example.com"), "name": "Ada", "password": PASSWORD });
        instance.post("/api/v1/auth/signup", request)
    }));
    let (_, answers) = tokio::join!(commands, sign_ups);
    answers.into_iter().for_each(|answer| drop(answer.expect(201)));
    let listed = keystead(&instance.ground, &["users", "list", "--json"]).await.good().json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 16);
}

/// The first commands on an empty store make the schema and the keys once, together.
async fn the_first_commands_of_all_agree(store: Store) {
    let ground = Ground::empty(store).await;
    let emails: Vec<_> = (0..4).map(|number| format!("{number}@example.com")).collect();
    futures_util::future::join_all(emails.iter().map(|email| async { create(&ground, email, &[]).await.good() })).await;
    let listed = keystead(&ground, &["users", "list", "--json"]).await.good().json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 4);
    let keys = keystead(&ground, &["keys", "list", "--json"]).await.good().json();
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
}

both_stores!(
    accounts_are_imported_from_a_file,
    flood_of_commands_beside_a_busy_server,
    the_first_commands_of_all_agree,
    a_verified_account_signs_in_at_once,
    an_account_that_is_not_verified_gets_the_code,
    a_made_up_password_is_shown_once,
    a_taken_address_says_so,
    everything_that_is_wrong_is_told_at_once,
    an_account_goes_through_its_states,
    a_lock_is_lifted,
    process_a_suspended_person_is_signed_out_within_a_second
);

/// Without Redis a command does its work all the same, and has nothing to say about it.
#[tokio::test]
async fn a_lost_redis_is_no_obstacle() {
    let ground = Ground::migrated(Store::Sqlite).await;
    let nowhere = [("REDIS_URL", "redis://127.0.0.1:1")];
    let args = ["users", "create", "--email", ADA, "--name", "Ada", "--verified"];
    run(&ground, &args, PASSWORD, &nowhere).await.good();
    run(&ground, &["users", "suspend", ADA], "", &nowhere).await.good();
}

/// A store that cannot be reached is an error for people, too.
#[tokio::test]
async fn a_lost_database_is_told() {
    let ground = Ground::empty(Store::Sqlite).await;
    let nowhere = [("DATABASE_URL", "postgres://keystead:hunter2@127.0.0.1:1/keystead?sslmode=disable")];
    for args in [&["users", "list"][..], &["keys", "list"], &["migrate"], &["migrate", "--check"]] {
        let ran = run(&ground, args, "", &nowhere).await.refused(1, "the database cannot be used");
        assert!(!ran.stderr.contains("hunter2") && ran.stdout.is_empty(), "{ran:#?}");
    }
}
