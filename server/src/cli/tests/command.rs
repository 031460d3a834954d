//! A command of the real program, on the stores of a test.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Ground, database};
use keystead::db::{Sql, Store as Which};

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `keystead args…` with an empty standard input.
pub async fn keystead(ground: &Ground, args: &[&str]) -> Ran {
    run(ground, args, "", &[]).await
}

/// The same with lines on standard input and more environment.
pub async fn run(ground: &Ground, args: &[&str], input: &str, env: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
    command.args(args).env_clear().envs(ground.environment()).envs(env.iter().copied()).current_dir(ground.data_dir());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let done = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("the binary runs");
        // A command that does not read its input closes the pipe, which is its right.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        child.wait_with_output().expect("a child of ours")
    });
    let output = done.await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ran {
    /// It did what it was asked to, and said nothing on standard error.
    #[track_caller]
    pub fn good(self) -> Self {
        assert!(self.code == Some(0) && self.stderr.is_empty(), "{self:#?}");
        self
    }

    /// It did not, with this exit code and these words on standard error.
    #[track_caller]
    pub fn refused(self, code: i32, words: &str) -> Self {
        assert!(self.code == Some(code) && self.stderr.starts_with("error: ") && self.stderr.contains("\n  → "), "{self:#?}");
        assert!(self.stderr.contains(words), "{words:?} is not in {self:#?}");
        self
    }

    /// The answer of `--json`.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// The first column of every row, as text, of a statement on one of the stores.
pub async fn column(ground: &Ground, which: Which, sql: &'static str) -> Vec<String> {
    let db = database(ground, which);
    let rows = db.query(Sql { sqlite: sql, postgres: sql }, Vec::new()).await.unwrap();
    let column = rows.iter().map(|row| row.get::<String>(0).unwrap()).collect();
    db.close().await;
    column
}
