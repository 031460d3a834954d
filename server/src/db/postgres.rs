//! PostgreSQL through a pool: ordinary transactions, tried again when another one won.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::DbError;
use super::target::{is_local, take_root_certificate};
use super::tx::{On, Session, Tx};

/// Tries of a transaction that loses against others.
const TRIES: u32 = 6;
const BEGIN_READ: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The pool; clones share it.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Prepares a pool for `url`; connects when first used. `schema` is created when missing and searched alone.
    pub(super) fn new(url: &str, size: usize, wait: Duration, schema: Option<&'static str>) -> Result<Self, DbError> {
        let (url, root_certificate) = take_root_certificate(url);
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| DbError::Other(error.to_string()))?;
        config.connect_timeout(wait.max(Duration::from_secs(2))).keepalives_idle(Duration::from_secs(30));
        if config.get_application_name().is_none() {
            config.application_name("keystead");
        }
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let plain = config.get_ssl_mode() == SslMode::Disable || (config.get_ssl_mode() == SslMode::Prefer && is_local(&config));
        let manager = if plain {
            Manager::from_config(config, NoTls, recycling)
        } else {
            Manager::from_config(config, tls(root_certificate.as_deref())?, recycling)
        };
        let mut builder = Pool::builder(manager)
            .max_size(size.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(wait))
            .create_timeout(Some(wait.max(Duration::from_secs(2))))
            .recycle_timeout(Some(wait));
        if let Some(schema) = schema {
            builder = builder.post_create(Hook::async_fn(move |client, _| {
                Box::pin(async move {
                    let search = format!("SET search_path TO {schema}");
                    client.batch_execute(&search).await.map_err(HookError::Backend)
                })
            }));
        }
        Ok(Self { pool: builder.build().map_err(|error| DbError::Other(error.to_string()))? })
    }

    /// A connection for one autocommitted statement.
    pub(super) async fn client(&self) -> Result<Object, DbError> {
        Ok(self.pool.get().await?)
    }

    /// A transaction; run again when it loses against another one.
    pub(super) async fn write<T, E, F>(&self, work: &F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E>,
        E: From<DbError>,
    {
        for attempt in 1..TRIES {
            let mut tx = self.begin("BEGIN").await?;
            let result = work(&mut tx).await;
            let result = match result {
                Ok(value) => match end(&mut tx, "COMMIT").await {
                    Ok(()) => {
                        tx.hooks.drain(..).for_each(|hook| hook());
                        return Ok(value);
                    }
                    Err(DbError::Serialization) => None,
                    Err(error) => return Err(error.into()),
                },
                Err(error) => {
                    // What the caller was told counts; a failed ROLLBACK drops the connection.
                    let _ = end(&mut tx, "ROLLBACK").await;
                    Some(error)
                }
            };
            match result {
                Some(error) if !tx.lost => return Err(error),
                _ => tokio::time::sleep(back_off(attempt)).await,
            }
        }
        Err(DbError::Serialization.into())
    }

    /// A snapshot that only reads.
    pub(super) async fn read<T, E, F>(&self, work: &F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E>,
        E: From<DbError>,
    {
        let mut tx = self.begin(BEGIN_READ).await?;
        let result = work(&mut tx).await;
        let _ = end(&mut tx, if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        result
    }

    async fn begin(&self, how: &'static str) -> Result<Tx, DbError> {
        Ok(Tx::new(On::Postgres(Session::begin(self.client().await?, how).await?)))
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    /// (connections in use, connections idle, callers waiting)
    pub(super) fn status(&self) -> (usize, usize, usize) {
        let status = self.pool.status();
        (status.size.saturating_sub(status.available), status.available, status.waiting)
    }
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
fn tls(root_certificate: Option<&str>) -> Result<MakeRustlsConnect, DbError> {
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
