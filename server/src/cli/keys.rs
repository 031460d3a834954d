//! `keystead keys`: the Ed25519 keys that sign access tokens.

use clap::{Args, Subcommand};

use super::{Failure, Output, block_on, settings};
use crate::config::Settings;

/// List and rotate the keys that sign tokens
#[derive(Clone, Debug, Subcommand)]
pub enum Keys {
    /// List the published keys: which one signs, and until when each is published
    List(List),
    /// Publish a new key, sign with it once every verifier had time to fetch it, and retire the old one
    Rotate(Rotate),
}

/// List the published keys
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Publish a new key and retire the old one
#[derive(Clone, Debug, Args)]
pub struct Rotate {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Keys {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = settings()?;
        block_on(1, run(self, settings, *output))
    }
}

// INTEGRATION POINT: open the store and the signer, then list or rotate.
async fn run(_command: Keys, _settings: Settings, _output: Output) -> Result<(), Failure> {
    Err(Failure::failed("`keys` is not wired.", "Wire it in server/src/cli/keys.rs."))
}
