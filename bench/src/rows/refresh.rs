//! Refresh on SQLite against the same UPDATE in a loop.

use std::time::Duration;

use anyhow::Result;

use super::{Pace, measured};
use crate::baseline;
use crate::load::{Plan, Work};
use crate::server::{Server, Site};
use crate::table::{Row, count, median};
use crate::tokens::Samples;

/// Clients that refresh at the same time.
const CONNECTIONS: usize = 16;

/// The lines. The raw loop runs on the same file while the server idles, on half of the sessions; the server has the
/// other half.
pub fn rows(site: &Site, samples: &Samples, pace: Pace) -> Result<Vec<Row>> {
    let ours = Server::start(site)?;
    let half = samples.sessions.len() / 2;
    let mut raw_sessions = samples.sessions[half..].to_vec();
    let mut tokens = samples.refresh[..half].to_vec();
    let now = keystead::time::Clock::system().now().as_micros();
    let (mut rates, mut raw_rates, mut ratios, mut cpus, mut raw_cpus, mut batches) = (vec![], vec![], vec![], vec![], vec![], vec![]);
    for round in 0..=pace.rounds {
        let turn = if round == 0 { pace.turn.min(Duration::from_secs(1)) } else { pace.turn };
        let before = (ours.metric("keystead_db_commits_total")?, ours.metric("keystead_db_commit_callers_total")?);
        let (mut mine, cpu) = measured(&ours, &Plan::flat_out(ours.addr, CONNECTIONS, turn, Work::Refresh(tokens)))?;
        tokens = std::mem::take(&mut mine.tokens);
        let commits = ours.metric("keystead_db_commits_total")? - before.0;
        let batch = (ours.metric("keystead_db_commit_callers_total")? - before.1) / commits.max(1.0);
        let raw = baseline::rotate_sqlite(&site.database(), &mut raw_sessions, (batch.round() as usize).max(1), now, turn)?;
        if round > 0 {
            rates.push(mine.rate());
            raw_rates.push(raw.rate);
            ratios.push(mine.rate() / raw.rate);
            cpus.push(cpu);
            raw_cpus.push(raw.cpu_ms);
            batches.push(batch);
        }
    }
    ours.stop()?;
    let (ratio, cpu) = (median(ratios), median(cpus));
    Ok(vec![
        Row {
            name: format!("Refresh on SQLite, {CONNECTIONS} clients, {:.1} to a commit", median(batches)),
            ours: format!("{}/s", count(median(rates))),
            baseline: format!("raw UPDATE {}/s", count(median(raw_rates))),
            ratio: Some(ratio),
            target: "≥ 0.60".into(),
            met: ratio >= 0.60,
            cpu_ms: Some(cpu),
        },
        Row {
            name: "CPU of a refresh (whole request, SQLite within)".into(),
            ours: format!("{cpu:.4} ms"),
            baseline: format!("raw UPDATE {:.4} ms", median(raw_cpus)),
            ratio: None,
            target: "≤ 0.12 ms".into(),
            met: cpu <= 0.12,
            cpu_ms: Some(cpu),
        },
    ])
}
