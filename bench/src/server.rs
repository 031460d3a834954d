//! The real `keystead` as a child process, and the store it stands on.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keystead::config::{Settings, Sources};

use crate::process;

/// The issuer of tokens; fixed, so that tokens can be made before the port is known.
pub const PUBLIC_URL: &str = "http://localhost";
/// Any 32 bytes: the seeder, the token maker and the server must share them.
const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const NO_LIMIT: &str = "4000000000/1s";
const PATIENCE: Duration = Duration::from_secs(30);

/// A data folder with the settings that belong to it.
#[derive(Clone)]
pub struct Site {
    env: BTreeMap<String, String>,
    folder: PathBuf,
}

impl Site {
    /// SQLite in `folder`. Limits are on and counted, but wide open.
    pub fn sqlite(folder: &Path) -> Self {
        let mut site = Self { env: BTreeMap::new(), folder: folder.to_owned() };
        site.env.insert("KEYSTEAD_DATA_DIR".into(), folder.display().to_string());
        site.env.insert("KEYSTEAD_MASTER_KEY".into(), MASTER_KEY.into());
        site.env.insert("KEYSTEAD_PUBLIC_URL".into(), PUBLIC_URL.into());
        for policy in ["GLOBAL", "SIGNED_IN", "LOGIN"] {
            site.env.insert(format!("KEYSTEAD_LIMITS__{policy}"), NO_LIMIT.into());
        }
        site
    }

    /// The same with another setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Passwords that cost next to nothing, where something else of a sign-in is measured.
    #[must_use]
    pub fn with_cheap_passwords(self) -> Self {
        self.with("KEYSTEAD_PASSWORDS__ARGON2_MEMORY_KIB", "8").with("KEYSTEAD_PASSWORDS__ARGON2_ITERATIONS", "1")
    }

    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.folder.join("keystead.db")
    }

    /// What a command of `keystead` prints about this installation, with `input` on its standard input.
    pub fn keystead(&self, arguments: &[&str], input: &str) -> Result<String> {
        std::fs::create_dir_all(&self.folder)?;
        let mut command = Command::new(binary()?);
        command.args(arguments).env_clear().envs(&self.env).current_dir(&self.folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("a pipe was asked for")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "keystead {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The settings as the server reads them.
    pub fn settings(&self) -> Result<Settings> {
        let sources = Sources { env: self.env.clone(), dir: self.folder.clone() };
        let mut settings = Settings::load(&sources).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
        settings.ensure_data_dir(|| [0; 32]).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
        Ok(settings)
    }
}

/// `keystead`, built in the same profile as this program and lying beside it.
pub fn binary() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("keystead");
    path.exists().then_some(()).with_context(|| format!("{} is not there; run `cargo build --release -p keystead`", path.display()))?;
    Ok(path)
}

/// A serving process; ended when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Where its metrics are; not on a baseline.
    ops: Option<SocketAddr>,
    /// From the start of the process until it answered `/health/ready` with 200.
    pub start: Duration,
}

impl Server {
    /// Starts the real server on `site`. What it logs is formatted and written as always, to `/dev/null`: a file
    /// beside the database would be flushed together with it by the file system, and be measured.
    pub fn start(site: &Site) -> Result<Self> {
        let (port, ops) = (process::free_port()?, process::free_port()?);
        let mut command = Command::new(binary()?);
        command.arg("serve").env_clear().envs(&site.env).current_dir(&site.folder);
        command.env("PORT", port.to_string()).env("KEYSTEAD_OPS_ADDR", format!("127.0.0.1:{ops}"));
        Self::spawn(command, port, Some(ops), "/health/ready")
    }

    /// Starts this program as a bare axum server whose one route is `path` and answers `answer` (see `baseline`).
    pub fn bare_axum(path: &str, answer: &Path) -> Result<Self> {
        let port = process::free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("baseline-axum").arg(port.to_string()).arg(path).arg(answer);
        Self::spawn(command, port, None, path)
    }

    fn spawn(mut command: Command, port: u16, ops: Option<u16>, ready: &str) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().context("the server does not start")?;
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Self { child, addr: at(port), ops: ops.map(at), start: Duration::ZERO };
        process::until("the server to be ready", PATIENCE, || get(server.addr, ready, None).is_ok_and(|answer| answer.status() == 200))?;
        server.start = started.elapsed();
        Ok(server)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Result<Duration> {
        process::cpu(self.pid())
    }

    /// The value of a metric without labels, 0 when it was never counted.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let ops = self.ops.context("a baseline has no metrics")?;
        let text = get(ops, "/metrics", None)?.text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.map_or(Ok(0.0), str::parse)?)
    }

    /// Ends it as an orchestrator does.
    pub fn stop(mut self) -> Result<()> {
        Command::new("sh").args(["-c", "kill -TERM \"$0\"", &self.pid().to_string()]).status()?;
        process::until("the server to stop", PATIENCE, || matches!(self.child.try_wait(), Ok(Some(_)))).map(|_| ())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer as it came over the wire.
pub struct Answer {
    text: String,
}

impl Answer {
    /// The status code; 0 when it is none.
    pub fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// The headers by name.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head().lines().skip(1).filter_map(|line| line.split_once(": "))
    }

    /// What follows the head.
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn head(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or(&self.text, |(head, _)| head)
    }
}

/// One GET on a connection of its own.
pub fn get(addr: SocketAddr, path: &str, token: Option<&str>) -> Result<Answer> {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    send(addr, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{authorization}\r\n"))
}

/// One request, as `load` prepares it, on a connection of its own.
pub fn send(addr: SocketAddr, request: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(request.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(Answer { text })
}
