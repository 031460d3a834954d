//! `GET /me` and `GET /oauth2/userinfo`, each against a bare axum route that answers the same bytes.

use anyhow::{Result, ensure};

use super::{Pace, measured};
use crate::baseline::Recorded;
use crate::load::{self, Plan, Work};
use crate::server::{self, Server, Site};
use crate::table::{Row, count, median};
use crate::tokens::Samples;

const PATH: &str = "/api/v1/auth/me";
const USERINFO: &str = "/oauth2/userinfo";
const CONNECTIONS: usize = 32;
const PEOPLE: usize = 64;

/// What was measured: rates per second, and processor time per answer in milliseconds.
pub struct Measured {
    /// Of the server.
    pub rate: f64,
    /// Of the bare route.
    pub bare_rate: f64,
    /// The first by the second, turn by turn.
    pub ratio: f64,
    /// Of the server.
    pub cpu: f64,
    /// Of the bare route.
    pub bare_cpu: f64,
}

/// GET of `path` with one of `tokens` each, against a bare route that answers the same bytes.
pub fn against_a_bare_route(site: &Site, path: &str, tokens: &[String], pace: Pace) -> Result<Measured> {
    let ours = Server::start(site)?;
    let answer = server::get(ours.addr, path, tokens.first().map(String::as_str))?;
    ensure!(answer.status() == 200, "{path} answered {}", answer.status());
    let folder = tempfile::tempdir()?;
    let recorded = folder.path().join("answer.json");
    Recorded::of(&answer).write(&recorded)?;
    let bare = Server::bare_axum(&recorded)?;

    let requests: Vec<String> = tokens.iter().take(PEOPLE).map(|token| load::get(path, token)).collect();
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
    ours.stop()?;
    let (rate, bare_rate) = (median(rates), median(bare_rates));
    Ok(Measured { rate, bare_rate, ratio: median(ratios), cpu: median(cpus), bare_cpu: median(bare_cpus) })
}

/// The lines.
pub fn rows(site: &Site, samples: &Samples, pace: Pace) -> Result<Vec<Row>> {
    let Measured { rate, bare_rate, ratio, cpu, bare_cpu } = against_a_bare_route(site, PATH, &samples.access, pace)?;
    let userinfo = against_a_bare_route(site, USERINFO, &samples.openid, pace)?;
    Ok(vec![
        Row {
            name: format!("GET /me, {PEOPLE} people, {CONNECTIONS} connections"),
            ours: format!("{}/s", count(rate)),
            baseline: format!("bare axum {}/s", count(bare_rate)),
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
        Row {
            name: format!("GET /oauth2/userinfo, {PEOPLE} people, {CONNECTIONS} connections"),
            ours: format!("{}/s", count(userinfo.rate)),
            baseline: format!("bare axum {}/s", count(userinfo.bare_rate)),
            ratio: Some(userinfo.ratio),
            target: "≥ 0.60".into(),
            met: userinfo.ratio >= 0.60,
            cpu_ms: Some(userinfo.cpu),
        },
    ])
}
