//! Two instances on one PostgreSQL and one Redis, one of which is killed and replaced.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use super::redis::Redis;
use crate::postgres::Postgres;
use crate::process;
use crate::server::{Server, Site};

/// Everything is posted from one address.
const NO_LIMIT: &str = "4000000000/1s";
/// How long an instance that was killed is still thought to be there.
const LEASE: &str = "5s";
/// One request; the machine may be busy.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The instances; the stores end with them.
pub struct Cluster {
    servers: Mutex<[Option<Server>; 2]>,
    sites: [Site; 2],
    http: reqwest::Client,
    postgres: Postgres,
    _redis: Redis,
    _folder: TempDir,
}

/// Memory of an instance, as it was sampled: seconds since its start, bytes.
pub type Samples = Vec<(f64, u64)>;

impl Cluster {
    /// Starts everything; access tokens outlive `during`, so that nobody has to refresh.
    pub fn start(during: Duration) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let bin = Postgres::installed().context("PostgreSQL is not installed; `make test-deps` installs it")?;
        let (postgres, redis) = (Postgres::start(bin)?, Redis::start()?);
        let ttl = format!("{}s", (during.as_secs() + 600).min(24 * 60 * 60));
        let site = |name: &str| {
            let mut site = Site::sqlite(&folder.path().join(name)).with_cheap_passwords();
            for policy in ["VOICE_SESSION", "VOICE_TOKEN", "TRANSCRIPT", "SIGNUP", "API_USER"] {
                site = site.with(&format!("KEYSTEAD_LIMITS__{policy}"), NO_LIMIT);
            }
            site.with("DATABASE_URL", postgres.url())
                .with("REDIS_URL", redis.url())
                .with("KEYSTEAD_ACCOUNTS__REQUIRE_VERIFIED_EMAIL", "false")
                .with("KEYSTEAD_TOKENS__ACCESS_TTL", ttl.clone())
                .with("KEYSTEAD_PRESENCE__LEASE", LEASE)
                .with("KEYSTEAD_PRESENCE__RESUME_WINDOW", LEASE)
                .with("KEYSTEAD_PRESENCE__CONNECTIONS_PER_ADDRESS", "10000")
        };
        let sites = [site("one"), site("two")];
        for name in ["one", "two"] {
            std::fs::create_dir_all(folder.path().join(name))?;
        }
        let servers = Mutex::new([Some(Server::start(&sites[0])?), Some(Server::start(&sites[1])?)]);
        let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { servers, sites, http, postgres, _redis: redis, _folder: folder })
    }

    /// What it stands on.
    pub fn version(&self) -> String {
        format!("{} and Redis", self.postgres.version())
    }

    fn servers(&self) -> MutexGuard<'_, [Option<Server>; 2]> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where instance `which` is, or was.
    pub fn address(&self, which: usize) -> Option<SocketAddr> {
        self.servers()[which % 2].as_ref().map(|server| server.addr)
    }

    /// Ends an instance as a power cut does; which process that was.
    pub async fn kill(&self, which: usize) -> Result<u32> {
        let server = self.servers()[which].take().context("it is not running")?;
        let pid = server.pid();
        // Dropping it is SIGKILL.
        tokio::task::spawn_blocking(move || drop(server)).await?;
        Ok(pid)
    }

    /// Starts another one in its place.
    pub async fn replace(&self, which: usize) -> Result<()> {
        let site = self.sites[which].clone();
        let server = tokio::task::spawn_blocking(move || Server::start(&site)).await??;
        self.servers()[which] = Some(server);
        Ok(())
    }

    /// Processes that run, and which of the two places they have.
    pub fn running(&self) -> Vec<(usize, u32)> {
        let servers = self.servers();
        servers.iter().enumerate().filter_map(|(which, server)| Some((which, server.as_ref()?.pid()))).collect()
    }

    /// A request to instance `which`; `None` when nobody answered.
    pub async fn ask(&self, which: usize, method: &str, path: &str, token: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let url = format!("http://{}{path}", self.address(which)?);
        let request = self.http.request(method.parse().ok()?, url).bearer_auth(token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// The same on a connection that stays open for as long as there is something to hear.
    pub async fn hear(&self, which: usize, path: &str, token: &str, last: Option<&str>) -> Option<reqwest::Response> {
        let url = format!("http://{}{path}", self.address(which)?);
        let request = self.http.get(url).bearer_auth(token).timeout(Duration::from_secs(24 * 60 * 60));
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        request.send().await.ok()
    }

    /// Signs somebody up; the id and an access token.
    pub async fn sign_up(&self, number: usize) -> Result<(String, String)> {
        let body = json!({"email": format!("person-{number}@example.com"), "name": "Ada Lovelace", "password": "Tall-Giraffe-Sings-42"});
        let (status, answer) = self.ask(number, "POST", "/api/v1/auth/signup", "", Some(&body)).await.context("no answer")?;
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let found = (text("/user/id"), text("/accessToken"));
        let (Some(user), Some(token)) = found else { anyhow::bail!("signing up: {status} {answer}") };
        Ok((user, token))
    }

    /// Takes a segment away that was accepted, so that it is seen whether anybody notices.
    pub async fn lose_one(&self) -> Result<()> {
        let app = crate::tokens::open(&self.sites[0]).await?;
        let sql = "DELETE FROM transcript_segments WHERE position = (SELECT max(position) FROM transcript_segments) AND seq > 0";
        app.ground.db.write_one(keystead::db::Sql { sqlite: sql, postgres: sql }, Vec::new()).await?;
        app.close().await;
        Ok(())
    }
}

/// Samples the memory of both instances for `during`: first the one that stays, then the two that had the other place.
pub async fn watch(cluster: Arc<Cluster>, during: Duration) -> Vec<Samples> {
    let began = Instant::now();
    let mut all: Vec<(u32, f64, Samples)> = Vec::new();
    while began.elapsed() < during {
        let at = began.elapsed().as_secs_f64();
        for (_, pid) in cluster.running() {
            let Ok(memory) = process::memory(pid) else { continue };
            match all.iter_mut().find(|(known, ..)| *known == pid) {
                Some((_, start, samples)) => samples.push((at - *start, memory.resident)),
                None => all.push((pid, at, vec![(0.0, memory.resident)])),
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
    all.into_iter().map(|(.., samples)| samples).collect()
}
