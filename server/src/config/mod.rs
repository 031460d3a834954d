//! INTERFACE SKETCH of the configuration (loading, layering, validation, explaining to be written by the owner of this folder).
#![allow(missing_docs, unused, clippy::todo)]

use crate::shared::Budget;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    Development,
    Staging,
    Production,
}

/// Every setting, validated. One small struct per concern.
#[derive(Clone, Debug)]
pub struct Settings {
    pub env: Environment,
    pub server: Server,
    pub data_dir: PathBuf,
    pub database: Database,
    pub redis_url: Option<SecretString>,
    /// (id, 32 bytes), current first. In development generated into the data folder (file mode 0600) on first start.
    pub master_keys: Vec<MasterKey>,
    pub mail: Mail,
    pub cors_origins: Vec<String>,
    pub trusted_proxies: TrustedProxies,
    pub log: Log,
    pub accounts: Accounts,
    pub passwords: Passwords,
    pub lockout: Lockout,
    pub tokens: Tokens,
    pub sessions: Sessions,
    pub limits: Limits,
    pub privacy: Privacy,
    pub dev_clock: bool,
}
/// One master key; does not print and is wiped from memory when dropped.
#[derive(Clone)]
pub struct MasterKey {
    pub id: String,
    pub key: zeroize::Zeroizing<[u8; 32]>,
}
impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({}, [hidden])", self.id)
    }
}
impl Settings {
    pub fn is_development(&self) -> bool {
        self.env == Environment::Development
    }
    /// The issuer and base of links, without trailing slash.
    pub fn public_url(&self) -> &str {
        &self.server.public_url
    }
    /// Cookies are Secure and `__Host-` prefixed exactly when the public URL is https.
    pub fn is_https(&self) -> bool {
        self.server.public_url.starts_with("https://")
    }
}
#[derive(Clone, Debug)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub ops_addr: Option<SocketAddr>,
    pub public_url: String,
    /// `KEYSTEAD_SERVER__…`: whole request, header read, body bytes, requests in flight, connections, shutdown grace.
    pub request_timeout: Duration,
    pub header_timeout: Duration,
    pub body_limit: usize,
    pub max_in_flight: usize,
    pub max_connections: usize,
    pub shutdown_grace: Duration,
    /// How many instances the operator announces (`KEYSTEAD_SERVER__INSTANCES`); more than one needs PostgreSQL and Redis.
    pub instances: u32,
    pub worker_threads: usize,
}
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite:///abs/path/keystead.db` or `postgres://…`.
    pub url: SecretString,
    pub read_url: Option<SecretString>,
    /// PostgreSQL connections; SQLite readers.
    pub max_connections: usize,
    pub acquire_timeout: Duration,
}
#[derive(Clone, Debug)]
pub struct Mail {
    pub smtp_url: Option<SecretString>,
    pub from: String,
}
#[derive(Clone, Debug, PartialEq)]
pub enum TrustedProxies {
    None,
    Hops(u8),
    Networks(Vec<ipnet::IpNet>),
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}
#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    pub filter: String,
    pub sentry_dsn: Option<SecretString>,
    pub otlp_endpoint: Option<String>,
}
#[derive(Clone, Debug)]
pub struct Accounts {
    pub require_verified_email: bool,
    pub restore_grace: Duration,
}
#[derive(Clone, Debug)]
pub struct Passwords {
    pub argon2_memory_kib: u32,
    pub argon2_iterations: u32,
    pub argon2_parallelism: u32,
    pub hash_threads: usize,
    pub max_queue_wait: Duration,
    pub min_length: usize,
    pub require_upper: bool,
    pub require_lower: bool,
    pub require_digit: bool,
    pub min_strength: u8,
    pub reset_ttl: Duration,
    pub verify_ttl: Duration,
}
#[derive(Clone, Copy, Debug)]
pub struct Lockout {
    pub threshold: u32,
    pub duration: Duration,
}
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    pub access_ttl: Duration,
    pub refresh_ttl: Duration,
    pub reuse_window: Duration,
    /** 5 s: how long an instance may verify without hearing of revocations */
    pub staleness: Duration,
}
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    pub idle_ttl: Duration,
    pub absolute_ttl: Duration,
}
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub enabled: bool,
    pub global: Budget,
    pub signed_in: Budget,
    pub api_user: Budget,
    pub login: Budget,
    pub signup: Budget,
    pub password_forgot: Budget,
    pub verify_resend: Budget,
    pub voice_session: Budget,
    pub voice_token: Budget,
    pub transcript: Budget,
}
#[derive(Clone, Debug)]
pub struct Privacy {
    pub retention_days: u32,
    /// Current version of each policy (`KEYSTEAD_PRIVACY__POLICIES`, `privacy=2026-01,terms=2026-01`); empty = nothing asked.
    pub policies: Vec<(String, String)>,
}
