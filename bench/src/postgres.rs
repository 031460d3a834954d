//! A throwaway PostgreSQL with its own settings untouched: what it promises about durability is what is measured.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::process;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; ended and removed when dropped.
pub struct Postgres {
    folder: TempDir,
    bin: PathBuf,
    port: u16,
}

impl Postgres {
    /// The newest PostgreSQL of this machine; `None` when there is none.
    pub fn installed() -> Option<PathBuf> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let bins = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).filter(|bin| bin.join("pgbench").exists());
        bins.max()
    }

    /// Lays and starts one.
    pub fn start(bin: PathBuf) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777))?;
        let postgres = Self { folder, bin, port: process::free_port()? };
        let data = postgres.data();
        let laid = postgres
            .as_owner("initdb")
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .output()?;
        ensure!(laid.status.success(), "initdb: {}", String::from_utf8_lossy(&laid.stderr));
        let mut server = postgres.as_owner("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(postgres.folder.path());
        server.args(["-h", "127.0.0.1", "-p", &postgres.port.to_string()]);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        process::until("PostgreSQL", PATIENCE, || {
            let ready =
                Command::new(postgres.bin.join("pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &postgres.port.to_string()]).status();
            ready.is_ok_and(|status| status.success())
        })?;
        Ok(postgres)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Which version it is.
    pub fn version(&self) -> String {
        let said = Command::new(self.bin.join("postgres")).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&said).trim().replace("postgres (PostgreSQL) ", "PostgreSQL ")
    }

    /// Transactions per second that pgbench reports for `script` with `clients`.
    pub fn pgbench(&self, script: &Path, clients: usize, during: Duration) -> Result<f64> {
        let mut command = Command::new(self.bin.join("pgbench"));
        command.args(["-n", "-M", "prepared", "-j", "1", "-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string()]);
        command.args(["-c", &clients.to_string(), "-T", &during.as_secs().max(1).to_string(), "-f"]).arg(script).arg("postgres");
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
        let tps = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        tps.with_context(|| format!("pgbench told no rate: {said}"))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// PostgreSQL refuses to run as root.
    fn as_owner(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        let mut command = if root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let lock = self.data().join("postmaster.pid");
        let pid = std::fs::read_to_string(&lock).ok().and_then(|text| text.lines().next().map(str::to_owned));
        if let Some(pid) = pid {
            // INT is PostgreSQL's fast shutdown.
            let _ = Command::new("kill").args(["-INT", &pid]).status();
            let _ = process::until("PostgreSQL to stop", PATIENCE, || !lock.exists());
        }
    }
}
