//! P1: a stolen database, its files and its journal included, tells nothing about anybody.

use std::path::Path;

use serde_json::json;

use crate::support::{Instance, PASSWORD, Store, both_stores, eventually};

const EMAIL: &str = "augusta.byron@zephyr-mail.example";
const NAME: &str = "Augusta Quillfeather";
const ROLE: &str = "Cartographer-General";
const IP: &str = "203.0.113.177";
const AGENT: &str = "ZephyrBrowser/9.81 (PalmTop)";
const WRONG: &str = "Wrong-Walrus-Waltzes-99";
const NEW: &str = "Quiet-Otter-Juggles-77";
const NEWEST: &str = "Brisk-Lemur-Paints-1903";

/// What must not be found, and by which name it is reported.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, text: impl Into<String>) {
        self.0.push((what, text.into()));
    }

    /// Fails when one of them stands in `data`, as text, in hexadecimal or in UTF-16.
    fn must_not_stand_in(&self, place: &str, data: &[u8]) {
        let data = searchable(data);
        for (what, secret) in &self.0 {
            let secret = secret.to_ascii_lowercase();
            // Six digits occur in any large number, so a code is looked for as a word of its own.
            if secret.len() == 6 && secret.bytes().all(|byte| byte.is_ascii_digit()) {
                assert!(!has_word(&data, &secret), "{what} stands in {place}");
                continue;
            }
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            let wide: String = secret.chars().flat_map(|letter| [letter, '\0']).collect();
            assert!(!data.contains(&secret), "{what} stands in {place}");
            assert!(!data.contains(&hex), "{what} stands in {place} as hexadecimal");
            assert!(!data.contains(&wide), "{what} stands in {place} as UTF-16");
        }
    }
}

/// One letter per byte, in lower case: what the standard library can search quickly.
fn searchable(data: &[u8]) -> String {
    data.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

fn has_word(data: &str, needle: &str) -> bool {
    let word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || "+/_-".contains(letter));
    let mut found = data.match_indices(needle);
    found.any(|(at, _)| !word(data[..at].chars().next_back()) && !word(data[at + needle.len()..].chars().next()))
}

/// Everything a thief would have: the files on SQLite, every row of every table on PostgreSQL.
async fn stolen(instance: &Instance) -> Vec<(String, Vec<u8>)> {
    match instance.ground.store {
        Store::Sqlite => files(instance.ground.data_dir()),
        Store::Postgres => tables(&instance.ground.database_url()).await,
    }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("a readable folder").flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let files = files.map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()));
    // Its own file, beside the database; what it is for is not to be read without it.
    files.filter(|(name, _)| !name.contains("master")).collect()
}

async fn tables(url: &str) -> Vec<(String, Vec<u8>)> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let list = "SELECT table_schema, table_name FROM information_schema.tables
        WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')";
    let mut found = Vec::new();
    for row in client.query(list, &[]).await.unwrap() {
        let table = format!("\"{}\".\"{}\"", row.get::<_, String>(0), row.get::<_, String>(1));
        let rows = client.simple_query(&format!("SELECT t::text FROM {table} AS t")).await.unwrap();
        let mut data = Vec::new();
        for message in rows {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                let line = row.get(0).unwrap_or_default();
                data.extend_from_slice(line.as_bytes());
                data.push(b'\n');
                data.extend(hex_parts(line));
            }
        }
        found.push((table, data));
    }
    found
}

/// The bytes behind every `\x…` of a row, for what was stored as bytes in the clear.
fn hex_parts(line: &str) -> Vec<u8> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let parts = line.split("\\x").skip(1);
    let bytes = parts.flat_map(|part| {
        let digits: Vec<u8> = part.bytes().map_while(nibble).collect();
        digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).chain([b'\n']).collect::<Vec<_>>()
    });
    bytes.collect()
}

/// A whole story: sign-up, confirmation, wrong passwords up to the lock, reset, change, consents, profile, mail.
async fn story(instance: &Instance) -> Secrets {
    let mut secrets = Secrets::default();
    for (what, text) in [
        ("the address", EMAIL),
        ("the local part", "augusta.byron"),
        ("the domain", "zephyr-mail"),
        ("the name", "Quillfeather"),
        ("the job role", ROLE),
        ("the IP address", IP),
        ("the user agent", "ZephyrBrowser"),
        ("the password", PASSWORD),
        ("a wrong password", WRONG),
        ("the new password", NEW),
        ("the newest password", NEWEST),
    ] {
        secrets.add(what, text);
    }
    let api = instance.at_address(IP).with("user-agent", AGENT);
    let accepted = json!([{ "policy": "privacy", "version": "1" }]);
    let body = |password| json!({ "email": EMAIL, "name": NAME, "role": ROLE, "password": password, "acceptedPolicies": accepted });
    api.post("/api/v1/auth/signup", body(PASSWORD)).await.expect(201);
    let code = instance.mail_to(EMAIL).await.code();
    secrets.add("the code", &code);
    // A second sign-up, whose code carries a name and a hash.
    api.post("/api/v1/auth/signup", body(NEW)).await.expect(201);
    secrets.add("the second code", instance.mail_to(EMAIL).await.code());
    let verified = api.post("/api/v1/auth/verify-email", json!({ "email": EMAIL, "code": code, "transport": "body" })).await.expect(200);
    for _ in 0..5 {
        api.post("/api/v1/auth/login", json!({ "email": EMAIL, "password": WRONG })).await.expect(401);
    }
    api.post("/api/v1/auth/login", json!({ "email": "stranger@zephyr-mail.example", "password": WRONG })).await.expect(401);
    instance.mail_to(EMAIL).await;
    api.post("/api/v1/auth/password/forgot", json!({ "email": EMAIL })).await.expect(202);
    let link = instance.mail_to(EMAIL).await.token();
    secrets.add("the link", &link);
    api.post("/api/v1/auth/password/reset", json!({ "token": link, "password": NEW })).await.expect(204);
    let login = api.post("/api/v1/auth/login", json!({ "email": EMAIL, "password": NEW, "transport": "body" })).await.expect(200);
    let signed_in = api.with_token(login.str("/accessToken"));
    let refreshed = api.post("/api/v1/auth/refresh", json!({ "refreshToken": login.str("/refreshToken") })).await.expect(200);
    for answer in [&verified, &login, &refreshed] {
        secrets.add("an access token", answer.str("/accessToken"));
        secrets.add("a refresh token", answer.str("/refreshToken"));
        secrets.add("a CSRF token", answer.str("/csrfToken"));
    }
    let change = json!({ "currentPassword": NEW, "newPassword": NEWEST });
    signed_in.post("/api/v1/auth/password/change", change).await.expect(204);
    signed_in.post("/api/v1/account/consents", json!({ "policy": "terms", "version": "1" })).await.expect(201);
    signed_in.patch("/api/v1/account", json!({ "name": NAME, "role": ROLE })).await.expect(200);
    // A code and a link that nobody used yet.
    api.post("/api/v1/auth/password/forgot", json!({ "email": EMAIL })).await.expect(202);
    eventually("all mail", async || (instance.count("SELECT count(*) FROM jobs", vec![]).await == 0).then_some(())).await;
    for mail in instance.mails_to(EMAIL).await {
        secrets.add("the text of a mail", mail.text.lines().find(|line| line.len() > 30).unwrap_or(&mail.subject).to_owned());
    }
    secrets
}

async fn a_stolen_database_tells_nothing(store: Store) {
    let instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let secrets = story(&instance).await;
    let open = stolen(&instance).await;
    // The search finds what is there: otherwise it would prove nothing.
    let all: String = open.iter().map(|(_, data)| searchable(data)).collect();
    for known in ["$argon2id$", "password_changed", "consent.given"] {
        assert!(all.contains(known), "{known} is not found");
    }
    assert!(open.len() > 1 && all.len() > 10_000, "{} places, {} bytes", open.len(), all.len());
    for (place, data) in &open {
        secrets.must_not_stand_in(place, data);
    }
    // Nor after the journal was folded into the files.
    let ground = std::sync::Arc::clone(&instance.ground);
    instance.stop().await;
    if ground.store == Store::Sqlite {
        for (place, data) in files(ground.data_dir()) {
            secrets.must_not_stand_in(&place, &data);
        }
    }
}

/// While mail cannot leave, what waits for it is sealed like everything else.
async fn what_waits_in_the_queue_is_sealed(store: Store) {
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let builder = Instance::builder(store).set("SMTP_URL", format!("smtp://{closed}")).set("MAIL_FROM", "no-reply@example.com");
    let instance = builder.start().await;
    let body = json!({ "email": EMAIL, "name": NAME, "role": ROLE, "password": PASSWORD });
    instance.post("/api/v1/auth/signup", body).await.expect(201);
    eventually("the first attempt", async || {
        (instance.count("SELECT count(*) FROM jobs WHERE kind = 'mail.send' AND last_error IS NOT NULL", vec![]).await == 1).then_some(())
    })
    .await;
    let mut secrets = Secrets::default();
    for (what, text) in [("the address", EMAIL), ("the domain", "zephyr-mail"), ("the name", "Quillfeather"), ("the password", PASSWORD)] {
        secrets.add(what, text);
    }
    for (place, data) in stolen(&instance).await {
        secrets.must_not_stand_in(&place, &data);
    }
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let mut secrets = Secrets::default();
    secrets.add("the address", EMAIL);
    secrets.must_not_stand_in("nothing", b"augusta.byron@zephyr-mail.exampl");
    for place in [EMAIL.to_uppercase().into_bytes(), EMAIL.encode_utf16().flat_map(u16::to_le_bytes).collect()] {
        assert!(std::panic::catch_unwind(|| secrets.must_not_stand_in("a place", &[b"\xff", place.as_slice(), b"\xfe"].concat())).is_err());
    }
    assert!(has_word("code 123456, then", "123456") && has_word("123456", "123456"));
    assert!(!has_word("1772123456000000", "123456") && !has_word("ab123456", "123456"));
    assert_eq!(hex_parts("(1,\"\\\\x616461\",2)"), b"ada\n");
}

both_stores!(a_stolen_database_tells_nothing, what_waits_in_the_queue_is_sealed);
