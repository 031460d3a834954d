//! `GET /me` against a bare axum route that answers the same bytes.

use anyhow::{Result, ensure};

use super::{Pace, measured};
use crate::baseline::Recorded;
use crate::load::{self, Plan, Work};
use crate::server::{self, Server, Site};
use crate::table::{Row, count, median};
use crate::tokens::Samples;

const PATH: &str = "/api/v1/auth/me";
const CONNECTIONS: usize = 32;
const PEOPLE: usize = 64;

/// The line.
pub fn rows(site: &Site, samples: &Samples, pace: Pace) -> Result<Vec<Row>> {
    let ours = Server::start(site)?;
    let answer = server::get(ours.addr, PATH, samples.access.first().map(String::as_str))?;
    ensure!(answer.status() == 200, "/me answered {}", answer.status());
    let folder = tempfile::tempdir()?;
    let recorded = folder.path().join("answer.json");
    Recorded::of(&answer).write(&recorded)?;
    let bare = Server::bare_axum(&recorded)?;

    let requests: Vec<String> = samples.access.iter().take(PEOPLE).map(|token| load::get(PATH, token)).collect();
    let plan = |server: &Server| Plan::flat_out(server.addr, CONNECTIONS, pace.turn, Work::Repeat(requests.clone()));
    let (mut rates, mut bare_rates, mut cpus, mut bare_cpus, mut ratios) = (vec![], vec![], vec![], vec![], vec![]);
    // The first turn warms up what is measured afterwards.
    for round in 0..=pace.rounds {
        let (theirs, bare_cpu) = measured(&bare, &plan(&bare))?;
        let (mine, cpu) = measured(&ours, &plan(&ours))?;
        if round > 0 {
            rates.push(mine.rate());
            bare_rates.push(theirs.rate());
            ratios.push(mine.rate() / theirs.rate());
            cpus.push(cpu);
            bare_cpus.push(bare_cpu);
        }
    }
    let (ratio, cpu, bare_cpu) = (median(ratios), median(cpus), median(bare_cpus));
    ours.stop()?;
    Ok(vec![
        Row {
            name: format!("GET /me, {PEOPLE} people, {CONNECTIONS} connections"),
            ours: format!("{}/s", count(median(rates))),
            baseline: format!("bare axum {}/s", count(median(bare_rates))),
            ratio: Some(ratio),
            target: "≥ 0.70".into(),
            met: ratio >= 0.70,
            cpu_ms: Some(cpu),
        },
        Row {
            name: "CPU of a token check (whole request)".into(),
            ours: format!("{cpu:.4} ms"),
            baseline: format!("bare axum {bare_cpu:.4} ms"),
            ratio: Some(cpu / bare_cpu),
            target: "≤ 0.015 ms".into(),
            met: cpu <= 0.015,
            cpu_ms: Some(cpu),
        },
    ])
}
