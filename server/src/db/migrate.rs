//! Brings a store to this version's schema: numbered steps, forward only, each once.
//!
//! Safe when several instances start together, and under a rolling deploy: a store that is newer than the
//! binary is served as it is, because every step is written to suit the version before it.

use aws_lc_rs::digest;

use super::error::DbError;
use super::migrations::{self, Migration};
use super::tx::On;
use super::{Db, Sql, Store, Tx};
use crate::args;
use crate::time::Timestamp;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Names of the steps that were applied now.
    pub steps: Vec<&'static str>,
    /// The store knows steps that this binary does not.
    pub newer: bool,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at bigint NOT NULL)";
const KNOWN: Sql = Sql {
    sqlite: "SELECT version, checksum FROM schema_migrations ORDER BY version",
    postgres: "SELECT version, checksum FROM schema_migrations ORDER BY version",
};
const RECORD: Sql = Sql {
    sqlite: "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
    postgres: "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
};
/// Held until the transaction ends; the number is arbitrary and ours. Waiting for it and an index on a large table
/// may take their time.
const LOCK: &str = "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(7305811842)";
const EXISTS: Sql = Sql {
    sqlite: "SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'",
    postgres: "SELECT to_regclass('schema_migrations') IS NOT NULL",
};

impl Db {
    /// Applies what is missing, all of it or nothing.
    ///
    /// # Errors
    /// `Other` when an applied step was edited afterwards: that database and this binary do not belong together.
    pub async fn migrate(&self, now: Timestamp) -> Result<Applied, DbError> {
        let store = self.store;
        self.write(async move |tx| migrate(tx, store, now).await).await
    }

    /// Whether anything was ever migrated here; reads only.
    pub async fn is_made(&self) -> Result<bool, DbError> {
        self.query_opt(EXISTS, Vec::new()).await?.map_or(Ok(false), |row| row.get(0))
    }

    /// Steps that are not applied yet; reads only.
    pub async fn pending(&self) -> Result<Vec<&'static str>, DbError> {
        let rows = if self.is_made().await? { self.query(KNOWN, Vec::new()).await? } else { Vec::new() };
        let known = rows.iter().map(|row| row.get::<u32>(0)).collect::<Result<Vec<_>, _>>()?;
        let missing = migrations::of(self.store).iter().filter(|step| !known.contains(&step.version));
        Ok(missing.map(|step| step.name).collect())
    }
}

/// Every step of a store.
pub fn steps(store: Store) -> Vec<&'static str> {
    migrations::of(store).iter().map(|step| step.name).collect()
}

async fn migrate(tx: &mut Tx, store: Store, now: Timestamp) -> Result<Applied, DbError> {
    let postgres = matches!(tx.on, On::Postgres(_));
    if postgres {
        tx.batch(LOCK).await?;
        if store == Store::Keyring {
            tx.batch("CREATE SCHEMA IF NOT EXISTS keyring").await?;
        }
    }
    tx.batch(TABLE).await?;
    let mut known = Vec::new();
    for row in tx.query(KNOWN, Vec::new()).await? {
        known.push((row.get::<u32>(0)?, row.get::<String>(1)?));
    }
    let all = migrations::of(store);
    let mut applied =
        Applied { newer: known.iter().any(|(version, _)| all.iter().all(|step| step.version != *version)), ..Applied::default() };
    for step in all {
        let text = if postgres { step.postgres } else { step.sqlite };
        let checksum = checksum(text);
        match known.iter().find(|(version, _)| *version == step.version) {
            Some((_, recorded)) if *recorded == checksum => {}
            Some(_) => return Err(edited(step)),
            None => {
                tx.batch(text).await?;
                tx.execute(RECORD, args![step.version, step.name, checksum, now]).await?;
                applied.steps.push(step.name);
            }
        }
    }
    Ok(applied)
}

fn edited(step: &Migration) -> DbError {
    DbError::Other(format!(
        "migration {} was applied to this database in another form than this binary has; run the binary that belongs to the database",
        step.name
    ))
}

fn checksum(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
