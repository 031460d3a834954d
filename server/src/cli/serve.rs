//! `keystead serve`: the server, until it is told to stop.

use clap::Args;

use super::{Failure, Output, block_on, settings};
use crate::config::Settings;

/// Run the server. Everything is configured by files and the environment; see `keystead config check`
#[derive(Clone, Debug, Args)]
pub struct Serve {}

impl Serve {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = settings()?;
        output.warnings(&settings.warnings());
        block_on(settings.server.worker_threads, serve(settings))
    }
}

// INTEGRATION POINT: build the application, serve until SIGTERM or SIGINT, drain, return.
async fn serve(_settings: Settings) -> Result<(), Failure> {
    Err(Failure::failed("`serve` is not wired.", "Wire it in server/src/cli/serve.rs."))
}
