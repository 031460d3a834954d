//! `keystead migrate`: the schema, before a deploy or by hand.

use clap::Args;

use super::{Failure, Output, block_on, settings};
use crate::config::Settings;

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
        let settings = settings()?;
        block_on(1, migrate(self, settings, *output))
    }
}

// INTEGRATION POINT: apply (or with `check` list) the pending migrations of both stores.
async fn migrate(_args: Migrate, _settings: Settings, _output: Output) -> Result<(), Failure> {
    Err(Failure::failed("`migrate` is not wired.", "Wire it in server/src/cli/migrate.rs."))
}
