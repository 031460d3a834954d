//! `keystead jobs`: what waits in the queue and what failed for good, from the machine that holds the database. Payloads are sealed
//! and shown to nobody.

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::installation::{settings, within};
use super::output::moment;
use super::{Failure, Output, block_on};
use crate::admin;
use crate::app::App;
use crate::audit::{self, Actor, Event, Target};
use crate::error::{Code, Problem};
use crate::jobs::{JobInfo, State};

/// See the queue, and try again what failed for good
#[derive(Clone, Debug, Subcommand)]
pub enum Jobs {
    /// List jobs, newest first; those that are done are not kept
    List(List),
    /// Try a dead letter again, at once and with all its attempts
    Retry(Retry),
}

/// List jobs
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Only these: queued (waiting or running) or dead (failed for good)
    #[arg(long, value_parser = ["queued", "dead"])]
    pub status: Option<String>,
    /// Only one kind of work, such as mail.send
    #[arg(long)]
    pub kind: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Go on where a listing ended (its nextCursor)
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<Uuid>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Try a dead letter again
#[derive(Clone, Debug, Args)]
pub struct Retry {
    /// The job's id
    pub job: Uuid,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// `jobs list --json`, in the form of every list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    items: Vec<JobInfo>,
    next_cursor: Option<Uuid>,
}

/// `jobs retry --json`, as the API answers it.
#[derive(Serialize)]
struct One {
    job: JobInfo,
}

impl Jobs {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = settings()?;
        let output = *output;
        block_on(
            1,
            within(settings, async |app: &App| match self {
                Self::List(list) => list.act(app, output).await,
                Self::Retry(retry) => retry.act(app, output).await,
            }),
        )
    }
}

impl List {
    async fn act(self, app: &App, output: Output) -> Result<(), Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let state = self.status.as_deref().map(|status| if status == "dead" { State::Dead } else { State::Queued });
        // One more than asked for tells whether there are more.
        let rows = i64::from(self.limit) + 1;
        let mut items = app.ground.jobs.list(state, self.kind, self.cursor, rows).await.map_err(Problem::from)?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|job| job.id);
        if self.json {
            output.json(&Listing { items, next_cursor });
            return Ok(());
        }
        output.table(&["JOB", "KIND", "STATE", "ATTEMPTS", "DUE", "LAST ERROR"], &items.iter().map(row).collect::<Vec<_>>());
        if let Some(next) = next_cursor {
            output.line(format!("\nThere are more: --cursor {next}"));
        }
        Ok(())
    }
}

fn row(job: &JobInfo) -> Vec<String> {
    let state = match job.state {
        State::Dead => "dead",
        State::Queued if job.running => "running",
        State::Queued => "queued",
    };
    let attempts = format!("{} of {}", job.attempts, job.max_attempts);
    let error = job.last_error.clone().unwrap_or_default();
    vec![job.id.to_string(), job.kind.clone(), state.to_owned(), attempts, moment(job.run_at), error]
}

impl Retry {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let ground = &app.ground;
        let event = Event::new(ground, audit::JOB_RETRIED, ground.clock.now()).actor(Actor::Operator).target(Target::job(self.job));
        let job = admin::try_again(ground, self.job, event).await.map_err(|problem| match problem.code {
            Code::NotFound => Failure::failed(format!("There is no job `{}`.", self.job), "See `keystead jobs list --status dead`."),
            Code::Conflict => Failure::failed(problem.detail, "There is nothing to do."),
            _ => problem.into(),
        })?;
        if self.json {
            output.json(&One { job });
        } else {
            output.line(format!("{} ({}) is queued again; a running server takes it up within a second.", job.id, job.kind));
        }
        Ok(())
    }
}
