//! `keystead audit`: the audit trail, from the machine that holds the database.

use clap::{Args, Subcommand};

use super::installation::within;
use super::{Failure, Output, block_on, settings};
use crate::app::App;
use crate::audit;
use crate::error::Problem;

/// The audit trail
#[derive(Clone, Debug, Subcommand)]
pub enum Audit {
    /// Check that nobody edited the audit trail; exits with 1 and names the first event when somebody did
    Verify(Verify),
}

/// Check the audit trail
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Audit {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = settings()?;
        let output = *output;
        match self {
            Self::Verify(verify) => block_on(1, within(settings, async |app: &App| verify.act(app, output).await)),
        }
    }
}

impl Verify {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        // What happened a moment ago is checked, too, whether or not a server runs.
        while audit::seal(&app.ground).await.map_err(Problem::from)? > 0 {}
        let found = audit::verify(&app.ground).await.map_err(Problem::from)?;
        if self.json {
            output.json(&found);
        }
        if let Some(broken) = &found.first_broken {
            let what = format!("The audit trail is broken at event {}: {}.", broken.seq, broken.reason);
            return Err(Failure::failed(what, "Compare that event with a backup or an export; somebody changed the table by hand."));
        }
        if !self.json {
            output.line(format!("The audit trail is whole: {} events.", found.checked));
        }
        Ok(())
    }
}
