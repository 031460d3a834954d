//! `keystead migrate`: the schema, before a deploy or by hand.

use clap::Args;
use serde::Serialize;

use super::installation::telemetry;
use super::{Failure, Output, block_on, settings};
use crate::app::{Seed, StartError, open_databases};
use crate::config::{Settings, Sources};
use crate::db::migrate::steps;
use crate::db::{Db, DbError, Store};
use crate::time::Timestamp;

/// Bring the database to this version's schema and exit. Safe to run again, and while the version before still serves
#[derive(Clone, Debug, Args)]
pub struct Migrate {
    /// Only say which migrations are pending; exit code 1 when there are any
    #[arg(long)]
    pub check: bool,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Migrate {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = if self.check { Settings::load(&Sources::process())? } else { settings()? };
        block_on(1, migrate(self, settings, *output))
    }
}

/// `migrate --json`.
#[derive(Default, Serialize)]
struct Report {
    /// Applied just now.
    applied: Vec<Step>,
    /// Left to apply.
    pending: Vec<Step>,
    /// A newer version than this one was here already.
    newer: bool,
}

#[derive(Serialize)]
struct Step {
    store: &'static str,
    name: &'static str,
}

async fn migrate(args: Migrate, settings: Settings, output: Output) -> Result<(), Failure> {
    // To look makes nothing, not even the file.
    if args.check && Db::file(&settings.database, Store::Main).is_some_and(|file| !file.exists()) {
        let all = |store, of| steps(of).into_iter().map(move |name| Step { store, name });
        let pending = all("main", Store::Main).chain(all("keyring", Store::Keyring)).collect();
        tell(&args, &Report { pending, ..Report::default() }, output);
        return Err(Failure::Silent(1));
    }
    let seed = Seed::system();
    let log = telemetry(&settings, &seed)?;
    let (main, keyring) = open_databases(&settings)?;
    let stores = [("main", &main), ("keyring", &keyring)];
    let report = if args.check { look(stores).await } else { apply(stores, seed.clock.now()).await };
    main.close().await;
    keyring.close().await;
    log.flush();
    let report = report.map_err(StartError::Database)?;
    tell(&args, &report, output);
    if report.pending.is_empty() { Ok(()) } else { Err(Failure::Silent(1)) }
}

async fn look(stores: [(&'static str, &Db); 2]) -> Result<Report, DbError> {
    let mut report = Report::default();
    for (store, db) in stores {
        report.pending.extend(db.pending().await?.into_iter().map(|name| Step { store, name }));
    }
    Ok(report)
}

async fn apply(stores: [(&'static str, &Db); 2], now: Timestamp) -> Result<Report, DbError> {
    let mut report = Report::default();
    for (store, db) in stores {
        let done = db.migrate(now).await?;
        report.applied.extend(done.steps.into_iter().map(|name| Step { store, name }));
        report.newer |= done.newer;
    }
    Ok(report)
}

fn tell(args: &Migrate, report: &Report, output: Output) {
    if args.json {
        return output.json(report);
    }
    for step in &report.applied {
        output.line(format!("applied  {:7}  {}", step.store, step.name));
    }
    for step in &report.pending {
        output.line(format!("pending  {:7}  {}", step.store, step.name));
    }
    if report.applied.is_empty() && report.pending.is_empty() {
        output.line("Nothing to do: the database has this version's schema.");
    }
    if report.newer {
        output
            .warning("The database has a newer schema than this version knows.", "Nothing was undone; run the newer version when you can.");
    }
}
