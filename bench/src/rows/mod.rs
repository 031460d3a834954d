//! The lines of the table, a file for each promise.
//!
//! What is compared is measured in turns, a few seconds each, so that a neighbour on the machine slows down both;
//! a line shows the median of the rounds.

pub mod growth;
pub mod login;
pub mod me;
pub mod memory;
pub mod refresh;
pub mod refresh_postgres;
pub mod start;

use std::time::Duration;

use anyhow::Result;

use crate::load::{Outcome, Plan};
use crate::server::Server;

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
