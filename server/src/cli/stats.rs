//! `keystead stats`: the installation in figures, from the machine that holds the database.

use clap::Args;

use super::installation::{settings, within};
use super::output::{moment, moment_or_never};
use super::{Failure, Output, block_on};
use crate::admin::Figures;
use crate::app::App;
use crate::error::Problem;

/// Show the installation in figures
#[derive(Clone, Debug, Args)]
pub struct Stats {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Stats {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = settings()?;
        let output = *output;
        block_on(
            1,
            within(settings, async |app: &App| {
                let figures = app.stats.figures(&app.ground, app.ground.clock.now()).await.map_err(Problem::from)?;
                if self.json {
                    output.json(&figures)
                } else {
                    output.facts(&facts(&figures))
                }
                Ok(())
            }),
        )
    }
}

fn facts(figures: &Figures) -> Vec<(&'static str, String)> {
    let Figures { at, users, open_sessions, last_day, jobs } = figures;
    vec![
        ("Counted", moment(*at)),
        ("Accounts active", users.active.to_string()),
        ("Accounts pending", users.pending.to_string()),
        ("Accounts suspended", users.suspended.to_string()),
        ("Accounts deleted", users.deleted.to_string()),
        ("Open sessions", open_sessions.to_string()),
        ("Sign-ups in a day", last_day.sign_ups.to_string()),
        ("Sign-ins in a day", last_day.sign_ins.to_string()),
        ("Failed sign-ins in a day", last_day.failed_sign_ins.to_string()),
        ("Lock-outs in a day", last_day.lockouts.to_string()),
        ("Jobs queued", jobs.queued.to_string()),
        ("Jobs running", jobs.running.to_string()),
        ("Dead letters", jobs.dead.to_string()),
        ("Oldest due job", moment_or_never(jobs.oldest_due)),
    ]
}
