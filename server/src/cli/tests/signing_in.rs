//! `keystead login|whoami|logout`: the real program against a real server, in a plain pipe.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keystead::args;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::command::Ran;
use crate::support::{Instance, SignedIn, Store, both_stores, eventually};

/// A server that knows its own address, and does not ask for pauses.
pub async fn server(store: Store) -> Instance {
    // Free a moment ago; nothing else on this machine takes ports of this range by number.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let builder = Instance::builder(store).set("PORT", port).set("KEYSTEAD_PUBLIC_URL", format!("http://127.0.0.1:{port}"));
    builder.set("KEYSTEAD_OAUTH__DEVICE_INTERVAL", "0s").start().await
}

/// Somebody's machine: a home, and nothing else in the environment.
pub struct Machine(TempDir);

impl Machine {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn credentials(&self) -> PathBuf {
        self.0.path().join(".config/keystead/credentials.json")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
        command.args(args).env_clear().env("HOME", self.0.path()).current_dir(self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub async fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.command(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Begins to sign in, and reads the code that is shown.
    pub async fn login(&self, args: &[&str]) -> Login {
        let mut child = self.command(&[&["login"], args].concat()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let read = move || {
            let mut said = String::new();
            // The last thing that is said before the waiting begins.
            while !said.contains("Waiting") && stderr.read_line(&mut said).unwrap() > 0 {}
            (stderr, said)
        };
        let (stderr, said) = tokio::task::spawn_blocking(read).await.unwrap();
        let code = said.split_whitespace().find(|word| word.len() == 9 && word.as_bytes()[4] == b'-');
        Login { code: code.unwrap_or_default().to_owned(), said, child, stderr }
    }

    /// Signs in, with the approval of `person`.
    pub async fn signed_in(&self, server: &Instance, person: &SignedIn) -> Ran {
        let login = self.login(&["--server", server.base()]).await;
        person.api.post("/api/v1/auth/device/approve", json!({"userCode": login.code})).await.expect(204);
        login.end().await
    }
}

/// A sign-in that waits.
pub struct Login {
    pub code: String,
    pub said: String,
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Login {
    pub async fn end(mut self) -> Ran {
        let finish = move || {
            let mut rest = String::new();
            self.stderr.read_to_string(&mut rest).unwrap();
            let output = self.child.wait_with_output().unwrap();
            let stdout = String::from_utf8(output.stdout).unwrap();
            Ran { code: output.status.code(), stdout, stderr: rest }
        };
        tokio::task::spawn_blocking(finish).await.unwrap()
    }
}

async fn somebody_signs_in_and_out(store: Store) {
    let server = server(store).await;
    let ada = server.signed_up("ada@example.com").await;
    let machine = Machine::new();
    machine.run(&["whoami", "--server", server.base()]).await.refused(1, "You are not signed in to");

    let login = machine.login(&["--server", server.base()]).await;
    assert!(login.said.contains(&format!("{}/device?user_code={}", server.base(), login.code)), "{}", login.said);
    assert!(!login.said.contains('\u{1b}'), "nothing but plain lines: {}", login.said);
    let asked = ada.api.post("/api/v1/auth/device/lookup", json!({"userCode": login.code})).await.expect(200);
    assert_eq!(asked.str("/requestedFrom/device"), "Keystead CLI on Linux");
    ada.api.post("/api/v1/auth/device/approve", json!({"userCode": login.code})).await.expect(204);
    let done = login.end().await.good();
    assert_eq!(done.stdout, format!("Signed in to {} as Ada Lovelace <ada@example.com>.\n", server.base()));

    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&machine.credentials()), mode(machine.credentials().parent().unwrap())), (0o600, 0o700));
    let kept: Value = serde_json::from_slice(&std::fs::read(machine.credentials()).unwrap()).unwrap();
    let token = kept["servers"][server.base()]["accessToken"].as_str().unwrap().to_owned();
    server.with_token(&token).get("/api/v1/auth/me").await.expect(200);

    // The server that was signed in to last is meant when none is named.
    let said = machine.run(&["whoami"]).await.good().stdout;
    for line in ["Person   Ada Lovelace <ada@example.com>", "Roles    user", "Scopes   –", "Session  "] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    let whoami = machine.run(&["whoami", "--json"]).await.good().json();
    assert_eq!((&whoami["user"]["id"], &whoami["server"]), (&json!(ada.id()), &json!(server.base())));
    assert!(whoami["session"]["id"].is_string() && whoami["expiresAt"].is_string() && whoami["scopes"].is_array(), "{whoami}");

    let out = machine.run(&["logout"]).await.good().stdout;
    assert_eq!(out, format!("Signed out of {}.\n", server.base()));
    server.with_token(&token).get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
    assert!(!std::fs::read_to_string(machine.credentials()).unwrap().contains("ksr_"));
    machine.run(&["whoami", "--server", server.base()]).await.refused(1, "keystead login");
    machine.run(&["logout", "--server", server.base()]).await.refused(1, "You are not signed in to");
}

async fn machines_are_answered_in_json(store: Store) {
    let server = server(store).await;
    let ada = server.signed_up("ada@example.com").await;
    let machine = Machine::new();
    let login = machine.login(&["--server", server.base(), "--json", "--no-browser"]).await;
    ada.api.post("/api/v1/auth/device/approve", json!({"userCode": login.code})).await.expect(204);
    assert_eq!(login.end().await.good().json()["user"]["email"], "ada@example.com");
    assert_eq!(machine.run(&["logout", "--json"]).await.good().json(), json!({"server": server.base(), "signedOut": true}));
}

async fn a_sign_in_can_come_to_nothing(store: Store) {
    let server = server(store).await;
    let ada = server.signed_up("ada@example.com").await;
    let machine = Machine::new();
    let denied = machine.login(&["--server", server.base()]).await;
    ada.api.post("/api/v1/auth/device/deny", json!({"userCode": denied.code})).await.expect(204);
    denied.end().await.refused(1, "The sign-in was denied.");
    let late = machine.login(&["--server", server.base()]).await;
    server.advance(Duration::from_secs(600));
    late.end().await.refused(1, "Nobody approved the sign-in in time.");
    assert!(!machine.credentials().exists());
}

/// Both clocks go on: the token has ended, and eight commands find that out at the same moment.
async fn tokens_are_renewed_once_however_many_ask(store: Store) {
    let server = server(store).await;
    let ada = server.signed_up("ada@example.com").await;
    let machine = Machine::new();
    machine.signed_in(&server, &ada).await.good();
    server.advance(Duration::from_secs(1_000));
    let generation = async || {
        let rows = server.rows("SELECT generation FROM sessions WHERE client_id = 'keystead-cli'", args![]).await;
        rows[0].get::<i64>(0).unwrap()
    };
    assert_eq!(generation().await, 0);
    let commands = (0..8).map(|_| {
        let mut command = machine.command(&["whoami"]);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    });
    for command in commands.collect::<Vec<_>>() {
        let output = command.await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(generation().await, 1, "one renewed, the others took what it got");
    // The file's own idea of when the token ends is heeded as well, before the server is asked.
    let kept = std::fs::read_to_string(machine.credentials()).unwrap();
    let mut kept: Value = serde_json::from_str(&kept).unwrap();
    kept["servers"][server.base()]["expiresAt"] = json!(1);
    std::fs::write(machine.credentials(), kept.to_string()).unwrap();
    machine.run(&["whoami"]).await.good();
    assert_eq!(generation().await, 2);
}

async fn an_ended_session_is_forgotten(store: Store) {
    let server = server(store).await;
    let ada = server.signed_up("ada@example.com").await;
    let machine = Machine::new();
    machine.signed_in(&server, &ada).await.good();
    ada.api.delete("/api/v1/sessions").await.expect(200);
    machine.run(&["whoami"]).await.refused(1, "has ended");
    machine.run(&["whoami", "--server", server.base()]).await.refused(1, "You are not signed in to");
}

async fn signing_in_again_ends_the_session_of_before(store: Store) {
    let server = server(store).await;
    let ada = server.signed_up("ada@example.com").await;
    let machine = Machine::new();
    machine.signed_in(&server, &ada).await.good();
    let first = machine.run(&["whoami", "--json"]).await.good().json();
    machine.signed_in(&server, &ada).await.good();
    let second = machine.run(&["whoami", "--json"]).await.good().json();
    assert_ne!(first["session"]["id"], second["session"]["id"]);
    let open = ada.api.get("/api/v1/sessions").await.expect(200);
    assert_eq!(open.body["items"].as_array().unwrap().len(), 2, "the browser's and the new one");
}

async fn several_servers_stand_side_by_side(store: Store) {
    let (one, two) = (server(store).await, server(store).await);
    let (ada, eve) = (one.signed_up("ada@example.com").await, two.signed_up("eve@example.com").await);
    let machine = Machine::new();
    machine.signed_in(&one, &ada).await.good();
    machine.signed_in(&two, &eve).await.good();
    let email = async |args: &[&str]| {
        let said = machine.run(&[&["whoami", "--json"], args].concat()).await.good().json();
        said["user"]["email"].as_str().unwrap().to_owned()
    };
    assert_eq!(email(&[]).await, "eve@example.com");
    assert_eq!(email(&["--server", one.base()]).await, "ada@example.com");
    // A trailing slash names the same server.
    assert_eq!(email(&["--server", &format!("{}/", two.base())]).await, "eve@example.com");
    machine.run(&["logout"]).await.good();
    assert_eq!(email(&[]).await, "ada@example.com");
}

/// The tokens go in any case; that the server was not told is said.
async fn a_server_that_is_gone_is_signed_out_of(store: Store) {
    let server = server(store).await;
    let ada = server.signed_up("ada@example.com").await;
    let machine = Machine::new();
    machine.signed_in(&server, &ada).await.good();
    let base = server.base().to_owned();
    server.stop().await;
    machine.run(&["whoami"]).await.refused(1, "does not answer");
    machine.run(&["logout", "--server", &base]).await.refused(1, "the server could not be told");
    assert!(!std::fs::read_to_string(machine.credentials()).unwrap().contains("ksr_"));
}

/// What the file looks like that others may read, or that was broken.
async fn a_file_that_others_can_read_is_refused(store: Store) {
    let server = server(store).await;
    let ada = server.signed_up("ada@example.com").await;
    let machine = Machine::new();
    machine.signed_in(&server, &ada).await.good();
    for mode in [0o644, 0o640, 0o604, 0o660] {
        std::fs::set_permissions(machine.credentials(), std::fs::Permissions::from_mode(mode)).unwrap();
        for command in ["whoami", "logout", "login"] {
            machine.run(&[command, "--server", server.base()]).await.refused(1, "can be read by others");
        }
    }
    std::fs::set_permissions(machine.credentials(), std::fs::Permissions::from_mode(0o600)).unwrap();
    machine.run(&["whoami"]).await.good();
    std::fs::write(machine.credentials(), "{\"servers\": 7}").unwrap();
    machine.run(&["whoami"]).await.refused(1, "is not a file of this program");
}

/// Killed while it waits, it leaves nothing, and holds nothing up.
async fn a_command_that_is_killed_leaves_nothing(store: Store) {
    let server = server(store).await;
    let ada = server.signed_up("ada@example.com").await;
    let machine = Machine::new();
    let mut login = machine.login(&["--server", server.base()]).await;
    login.child.kill().unwrap();
    login.child.wait().unwrap();
    assert!(!machine.credentials().exists());
    std::fs::create_dir_all(machine.credentials().parent().unwrap()).unwrap();
    // What a crash between writing and renaming leaves.
    std::fs::write(machine.credentials().with_extension("json.new"), "half of").unwrap();
    machine.signed_in(&server, &ada).await.good();
    eventually("a good file", async || machine.credentials().exists().then_some(())).await;
    machine.run(&["whoami"]).await.good();
}

both_stores!(
    somebody_signs_in_and_out,
    machines_are_answered_in_json,
    a_sign_in_can_come_to_nothing,
    tokens_are_renewed_once_however_many_ask,
    an_ended_session_is_forgotten,
    signing_in_again_ends_the_session_of_before,
    several_servers_stand_side_by_side,
    a_server_that_is_gone_is_signed_out_of,
    a_file_that_others_can_read_is_refused,
    a_command_that_is_killed_leaves_nothing,
);
