//! PostgreSQL through a pool: ordinary transactions, tried again when another one won.

use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod};
use futures_util::FutureExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PoolStatus;
use super::error::DbError;
use super::line::Exchange;
use super::session::{STATEMENT_LIMIT, Session};
use super::target::{is_local, take_root_certificate};
use super::tx::{On, Tx, run_hooks};
use super::value::{Row, Value};

/// Tries of a transaction that loses against others.
const TRIES: u32 = 6;
const BEGIN_READ: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// What was sent and is not acknowledged for so long was sent to nobody.
const SILENCE: Duration = Duration::from_secs(10);

/// The pool; clones share it.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
    exchange: Arc<Exchange>,
    /// Longest to wait for a connection, whether it has to become free or to be made.
    wait: Duration,
}

impl Postgres {
    /// Prepares a pool for `url`; connects when first used. `schema` is created when missing and searched alone.
    pub(super) fn new(url: &str, size: usize, wait: Duration, schema: Option<&'static str>) -> Result<Self, DbError> {
        let (url, root_certificate) = take_root_certificate(url);
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| DbError::Other(error.to_string()))?;
        // A server that vanished without a farewell (a failover, a firewall that forgot) is given up within half a
        // minute; the system's own patience is a quarter of an hour.
        config.keepalives_idle(Duration::from_secs(15)).keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
        config.connect_timeout(wait).tcp_user_timeout(SILENCE);
        if config.get_application_name().is_none() {
            config.application_name("keystead");
        }
        let exchange = Arc::new(Exchange::new(config.clone(), root_certificate.as_deref())?);
        let setup = setup(&config, schema);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let plain = config.get_ssl_mode() == SslMode::Disable || (config.get_ssl_mode() == SslMode::Prefer && is_local(&config));
        let manager = if plain {
            Manager::from_config(config, NoTls, recycling)
        } else {
            Manager::from_config(config, tls(root_certificate.as_deref())?, recycling)
        };
        let prepare = Hook::async_fn(move |client, _| {
            let setup = setup.clone();
            Box::pin(async move { client.batch_execute(&setup).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager).max_size(size.max(1)).post_create(prepare).build();
        Ok(Self { pool: pool.map_err(|error| DbError::Other(error.to_string()))?, exchange, wait })
    }

    pub(super) fn exchange(&self) -> Exchange {
        Exchange::clone(&self.exchange)
    }

    async fn session(&self) -> Result<Session, DbError> {
        match tokio::time::timeout(self.wait, self.pool.get()).await {
            Ok(client) => Ok(Session::new(client?)),
            Err(_) => Err(DbError::Unavailable("there was no connection in time".to_owned())),
        }
    }

    /// A statement by itself that only reads. A connection that turns out to be dead is replaced.
    pub(super) async fn read_one(&self, sql: &'static str, args: &[Value]) -> Result<(Vec<Row>, u64), DbError> {
        self.one(sql, args, true).await
    }

    /// A statement by itself. When its connection dies under it, nobody knows whether it was done.
    pub(super) async fn write_one(&self, sql: &'static str, args: &[Value]) -> Result<(Vec<Row>, u64), DbError> {
        self.one(sql, args, false).await
    }

    async fn one(&self, sql: &'static str, args: &[Value], repeatable: bool) -> Result<(Vec<Row>, u64), DbError> {
        for attempt in 1..TRIES {
            let mut session = self.session().await?;
            match session.run(sql, args).await {
                Err(DbError::Serialization) => {
                    drop(session);
                    tokio::time::sleep(back_off(attempt)).await;
                }
                Err(DbError::Unavailable(_)) if repeatable && session.is_gone() && attempt + 1 < TRIES => {}
                answer => return answer,
            }
        }
        Err(DbError::Serialization)
    }

    /// Asks the server to parse a statement.
    pub(super) async fn prepare(&self, sql: &'static str) -> Result<(), DbError> {
        self.session().await?.prepare(sql).await
    }

    /// A transaction; run again when it loses against another one.
    pub(super) async fn write<T, E, F>(&self, work: &F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E>,
        E: From<DbError>,
    {
        for attempt in 1..TRIES {
            let mut tx = self.begin("BEGIN").await?;
            match run(&mut tx, work).await {
                Ok(value) => match end(&mut tx, "COMMIT").await {
                    Ok(()) => {
                        run_hooks(tx.hooks.drain(..));
                        return Ok(value);
                    }
                    Err(DbError::Serialization) => {}
                    Err(error) => return Err(error.into()),
                },
                Err(error) => {
                    // What the caller was told counts; after a failed ROLLBACK the connection is closed.
                    let _ = end(&mut tx, "ROLLBACK").await;
                    if !tx.lost {
                        return Err(error);
                    }
                }
            }
            drop(tx);
            tokio::time::sleep(back_off(attempt)).await;
        }
        Err(DbError::Serialization.into())
    }

    /// A snapshot that only reads; read again when a replica had to give it up.
    pub(super) async fn read<T, E, F>(&self, work: &F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E>,
        E: From<DbError>,
    {
        for attempt in 1..TRIES {
            let mut tx = self.begin(BEGIN_READ).await?;
            let result = run(&mut tx, work).await;
            let _ = end(&mut tx, if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
            if result.is_ok() || !tx.lost {
                return result;
            }
            drop(tx);
            tokio::time::sleep(back_off(attempt)).await;
        }
        Err(DbError::Serialization.into())
    }

    async fn begin(&self, how: &'static str) -> Result<Tx, DbError> {
        let mut attempt = 1;
        loop {
            let mut session = self.session().await?;
            match session.begin(how).await {
                Ok(()) => return Ok(Tx::new(On::Postgres(session))),
                // It died while it waited in the pool, and nothing was done on it.
                Err(DbError::Unavailable(_)) if attempt < TRIES => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    pub(super) fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus { in_use: status.size.saturating_sub(status.available), idle: status.available, waiting: status.waiting }
    }
}

/// What a new connection is told. An operator who sets `statement_timeout` in the URL's `options` is left alone.
fn setup(config: &Config, schema: Option<&'static str>) -> String {
    let chosen = config.get_options().unwrap_or_default();
    let limits = ["statement_timeout", "idle_in_transaction_session_timeout"];
    let limits = limits.iter().filter(|limit| !chosen.contains(*limit));
    let mut setup: String = limits.map(|limit| format!("SET {limit} = {};", STATEMENT_LIMIT.as_millis())).collect();
    if let Some(schema) = schema {
        setup.push_str(&format!("SET search_path TO {schema};"));
    }
    setup
}

/// The closure's answer; a panic in it is one, too.
async fn run<T, E, F>(tx: &mut Tx, work: &F) -> Result<T, E>
where
    F: AsyncFn(&mut Tx) -> Result<T, E>,
    E: From<DbError>,
{
    let result = AssertUnwindSafe(work(tx)).catch_unwind().await;
    let result = result.unwrap_or_else(|_| Err(DbError::Other("a transaction panicked".to_owned()).into()));
    tx.judge(result)
}

async fn end(tx: &mut Tx, how: &'static str) -> Result<(), DbError> {
    match &mut tx.on {
        On::Postgres(session) => session.end(how).await,
        On::Sqlite(_) => Err(DbError::Other("a connection of the other engine".to_owned())),
    }
}

/// 1 to 2, 2 to 4, … milliseconds: spread, so that the same two do not meet again.
fn back_off(attempt: u32) -> Duration {
    let spread = RandomState::new().hash_one(attempt) % 1000;
    Duration::from_micros((1000 + spread) << attempt.min(6))
}

/// Encrypted, and the server's certificate and name verified, whatever weaker mode the URL names.
pub(super) fn tls(root_certificate: Option<&str>) -> Result<MakeRustlsConnect, DbError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = root_certificate {
        let refuse = |error: &dyn std::fmt::Display| DbError::Other(format!("sslrootcert {path}: {error}"));
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| refuse(&error))? {
            roots.add(certificate.map_err(|error| refuse(&error))?).map_err(|error| refuse(&error))?;
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DbError::Other(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
