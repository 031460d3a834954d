//! The real binary as a process of its own: to be killed at the worst moment and started again.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use super::client::Client;
use super::store::Ground;

/// A running `keystead serve`. Killed when dropped.
pub struct Process {
    /// A caller without credentials.
    pub api: Client,
    /// What it stands on; hand it to the next process to start again on the same data.
    pub ground: Arc<Ground>,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the binary on `ground`, with more environment, and waits until it is ready.
    pub async fn spawn(ground: Arc<Ground>, env: &[(&str, &str)]) -> Self {
        let mut process = Self::spawn_unready(ground, env);
        super::eventually("the process to be ready", async || {
            if let Some(status) = process.child.try_wait().expect("a child of ours") {
                panic!("the process ended with {status}\n{}", process.log());
            }
            (process.api.probe("/health/ready").await == Some(200)).then_some(())
        })
        .await;
        process
    }

    /// Starts the binary and waits for nothing, for processes that are meant to fail.
    pub fn spawn_unready(ground: Arc<Ground>, env: &[(&str, &str)]) -> Self {
        let port = free_port();
        let log = ground.data_dir().join(format!("stderr-{port}.log"));
        let stderr = File::create(&log).expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
        command.arg("serve").env_clear().envs(ground.environment()).env("PORT", port.to_string());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(env.iter().copied());
        command.current_dir(ground.data_dir()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().expect("the binary runs");
        Self { api: Client::new(format!("http://127.0.0.1:{port}")), ground, child, log }
    }

    /// Ends it as a power cut does, and waits until it is gone.
    pub async fn kill9(mut self) -> Arc<Ground> {
        self.child.kill().expect("a child of ours");
        self.ended().await;
        Arc::clone(&self.ground)
    }

    /// Asks it to stop as an orchestrator does (SIGTERM), and returns how it ended.
    pub async fn terminate(mut self) -> ExitStatus {
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "the signal was not delivered");
        self.ended().await
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        super::eventually("the process to end", async || self.child.try_wait().expect("a child of ours")).await
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
