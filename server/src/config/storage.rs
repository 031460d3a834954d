//! The database, and how relative paths become absolute.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::fault::Fault;
use super::urls::Store;
use super::values::Values;
use super::{parse, urls};

/// `DATABASE_URL` and its company.
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite:///absolute/path/keystead.db` or `postgres://…`, in the form the drivers take.
    pub url: SecretString,
    /// A PostgreSQL replica for read-only queries.
    pub read_url: Option<SecretString>,
    /// PostgreSQL connections; SQLite readers.
    pub max_connections: usize,
    /// Longest a request waits for a connection.
    pub acquire_timeout: Duration,
}

impl Database {
    pub(super) fn from(values: &Values, dir: &Path, data_dir: &Path) -> Result<Self, Fault> {
        let url = match values.optional("database.url", urls::database)? {
            None => sqlite_url(&data_dir.join("keystead.db")),
            Some(Store::Sqlite(path)) => sqlite_url(&absolute(dir, &path)),
            Some(Store::Postgres(postgres)) => postgres.url,
        };
        let read_url = values.optional("database.read_url", urls::postgres)?.map(|postgres| postgres.url.into());
        Ok(Self {
            url: url.into(),
            read_url,
            max_connections: values.get("database.max_connections", parse::number)?,
            acquire_timeout: values.get("database.acquire_timeout", parse::span)?,
        })
    }
}

fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// `path` seen from `dir`, without `.` parts.
pub(super) fn absolute(dir: &Path, path: &str) -> PathBuf {
    dir.join(path).components().filter(|part| !matches!(part, Component::CurDir)).collect()
}
