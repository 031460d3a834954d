//! `GET /me` against a bare axum route that answers the same bytes.

use anyhow::Result;

use super::{CONNECTIONS, Pace, beside_a_bare_route};
use crate::load;
use crate::server::{Server, Site};
use crate::table::Row;
use crate::tokens::Samples;

const PATH: &str = "/api/v1/auth/me";
const PEOPLE: usize = 64;

/// The line.
pub fn rows(site: &Site, samples: &Samples, pace: Pace) -> Result<Vec<Row>> {
    let ours = Server::start(site)?;
    let requests: Vec<String> = samples.access.iter().take(PEOPLE).map(|token| load::get(PATH, token)).collect();
    let seen = beside_a_bare_route(&ours, PATH, &requests, pace)?;
    ours.stop()?;
    let check = Row {
        name: "CPU of a token check (whole request)".into(),
        ours: format!("{:.4} ms", seen.cpu),
        baseline: format!("bare axum {:.4} ms", seen.bare_cpu),
        ratio: Some(seen.cpu / seen.bare_cpu),
        target: "≤ 0.015 ms".into(),
        met: seen.cpu <= 0.015,
        cpu_ms: Some(seen.cpu),
    };
    Ok(vec![seen.row(format!("GET /me, {PEOPLE} people, {CONNECTIONS} connections"), 0.70), check])
}
