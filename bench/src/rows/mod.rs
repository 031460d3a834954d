//! The lines of the table, a file for each promise.
//!
//! What is compared is measured in turns, a few seconds each, so that a neighbour on the machine slows down both;
//! a line shows the median of the rounds.

pub mod audit;
pub mod connections;
pub mod flags;
pub mod grown;
pub mod growth;
pub mod import;
pub mod login;
pub mod me;
pub mod memory;
pub mod oauth;
pub mod quotas;
pub mod refresh;
pub mod refresh_postgres;
pub mod start;
pub mod transactions;

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::baseline::Recorded;
use crate::load::{Outcome, Plan, Work};
use crate::server::{self, Server};
use crate::table::{Row, count, median};

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Rounds per comparison.
    pub rounds: usize,
    /// Length of one turn.
    pub turn: Duration,
}

/// Runs `plan` against `server`; what came of it, and the server's processor time per answer in milliseconds.
pub fn measured(server: &Server, plan: &Plan) -> Result<(Outcome, f64)> {
    let before = server.cpu()?;
    let outcome = plan.run()?;
    let used = server.cpu()?.saturating_sub(before);
    let per_answer = used.as_secs_f64() * 1000.0 / f64::from(outcome.answered.max(1));
    Ok((outcome, per_answer))
}

/// Connections of a comparison with a bare route.
pub const CONNECTIONS: usize = 32;

/// Medians of a comparison with a bare route.
pub struct Beside {
    /// Answers per second.
    pub rate: f64,
    /// The same of the bare route.
    pub bare_rate: f64,
    /// One over the other, round by round.
    pub ratio: f64,
    /// Processor time of the server per answer, in milliseconds.
    pub cpu: f64,
    /// The same of the bare route.
    pub bare_cpu: f64,
}

/// Sends `requests` for `path` again and again to `ours` and, in turns, to one bare axum route that answers the bytes that
/// the first of them was answered with.
pub fn beside_a_bare_route(ours: &Server, path: &str, requests: &[String], pace: Pace) -> Result<Beside> {
    let answer = server::send(ours.addr, &requests[0])?;
    ensure!(answer.status() == 200, "{path} answered {}: {}", answer.status(), answer.body());
    let folder = tempfile::tempdir()?;
    let recorded = folder.path().join("answer.json");
    Recorded::of(&answer).write(&recorded)?;
    let bare = Server::bare_axum(path, &recorded)?;
    let plan = |server: &Server| Plan::flat_out(server.addr, CONNECTIONS, pace.turn, Work::Repeat(requests.to_vec()));
    let (mut rates, mut bare_rates, mut cpus, mut bare_cpus, mut ratios) = (vec![], vec![], vec![], vec![], vec![]);
    // The first turn warms up what is measured afterwards.
    for round in 0..=pace.rounds {
        let (theirs, bare_cpu) = measured(&bare, &plan(&bare))?;
        let (mine, cpu) = measured(ours, &plan(ours))?;
        if round > 0 {
            rates.push(mine.rate());
            bare_rates.push(theirs.rate());
            ratios.push(mine.rate() / theirs.rate());
            cpus.push(cpu);
            bare_cpus.push(bare_cpu);
        }
    }
    let [rate, bare_rate, ratio, cpu, bare_cpu] = [rates, bare_rates, ratios, cpus, bare_cpus].map(median);
    Ok(Beside { rate, bare_rate, ratio, cpu, bare_cpu })
}

impl Beside {
    /// The line, which promises at least `least` times the rate of the bare route.
    pub fn row(&self, name: String, least: f64) -> Row {
        Row {
            name,
            ours: format!("{}/s", count(self.rate)),
            baseline: format!("bare axum {}/s", count(self.bare_rate)),
            ratio: Some(self.ratio),
            target: format!("≥ {least:.2}"),
            met: self.ratio >= least,
            cpu_ms: Some(self.cpu),
        }
    }
}
