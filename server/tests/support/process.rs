//! The real binary as a process of its own: to be killed at the worst moment and started again.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::client::Client;
use super::store::Ground;

/// A running `keystead serve`. Killed when dropped.
pub struct Process {
    /// A caller without credentials; speaks to nobody before the process is ready.
    pub api: Client,
    /// A caller of the ops listener.
    pub ops: Client,
    /// What it stands on; hand it to the next process to start again on the same data.
    pub ground: Arc<Ground>,
    child: Child,
    log: PathBuf,
    answer: PathBuf,
}

impl Process {
    /// Starts the binary on `ground`, with more environment, and waits until it is ready. The ports are those that the
    /// system gave; they are read from the log, so its level must not be below `info`.
    pub async fn spawn(ground: Arc<Ground>, env: &[(&str, &str)]) -> Self {
        let mut process = Self::spawn_unready(ground, env);
        let (api, ops) = super::eventually("the process to listen", async || {
            if let Some(status) = process.child.try_wait().expect("a child of ours") {
                panic!("the process ended with {status}\n{}", process.log());
            }
            listening(&process.log())
        })
        .await;
        (process.api, process.ops) = (api, ops);
        super::eventually("the process to be ready", async || (process.api.probe("/health/ready").await == Some(200)).then_some(())).await;
        process
    }

    /// Starts the binary and waits for nothing, for processes that are meant to fail.
    pub fn spawn_unready(ground: Arc<Ground>, env: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| ground.data_dir().join(format!("{kind}-{number}.log"));
        let (log, answer) = (file("stderr"), file("stdout"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
        command.arg("serve").env_clear().envs(ground.environment());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(env.iter().copied());
        command.current_dir(ground.data_dir()).stdin(Stdio::null());
        command.stdout(File::create(&answer).expect("a file")).stderr(File::create(&log).expect("a log file"));
        let child = command.spawn().expect("the binary runs");
        let nobody = Client::new("http://127.0.0.1:0".into());
        Self { api: nobody.clone(), ops: nobody, ground, child, log, answer }
    }

    /// Ends it as a power cut does, and waits until it is gone.
    pub async fn kill9(mut self) -> Arc<Ground> {
        self.child.kill().expect("a child of ours");
        self.ended().await;
        Arc::clone(&self.ground)
    }

    /// Sends a signal by its name without `SIG`, and waits for nothing.
    pub fn signal(&self, name: &str) {
        let asked = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &self.child.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "the signal was not delivered");
    }

    /// Asks it to stop as an orchestrator does (SIGTERM), and returns how it ended.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        super::eventually("the process to end", async || self.child.try_wait().expect("a child of ours")).await
    }

    /// What it wrote to standard error so far: the log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it wrote to standard output so far.
    pub fn answer(&self) -> String {
        std::fs::read_to_string(&self.answer).unwrap_or_default()
    }
}

/// The two addresses that the line `ready` of the log names.
fn listening(log: &str) -> Option<(Client, Client)> {
    let ready = log.lines().find(|line| ["ready", "address", "ops", "version"].iter().all(|word| line.contains(word)))?;
    let sockets =
        ready.match_indices("127.0.0.1:").map(|(at, _)| ready[at..].chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)));
    let mut clients = sockets.map(|socket| Client::new(format!("http://{}", socket.collect::<String>())));
    Some((clients.next()?, clients.next()?))
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
