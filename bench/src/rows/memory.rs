//! Resident memory and the size of the binary.

use std::time::Duration;

use anyhow::Result;

use super::Pace;
use crate::load::{Plan, Work};
use crate::process;
use crate::seed::Size;
use crate::server::{self, Server, Site};
use crate::table::{Row, count};

const MIB: f64 = 1024.0 * 1024.0;
const IDLE: f64 = 30.0;
const BINARY: f64 = 40.0;
/// Memory of one hash at the default cost.
const HASH: f64 = 19.0;

fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// The lines: on an empty folder, and on the store of `site` with its people signing in.
pub fn rows(site: &Site, size: Size, pace: Pace) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let fresh = Server::start(&Site::sqlite(folder.path()))?;
    // What the start needed for a moment is given back within the first seconds, or never.
    process::pass(Duration::from_secs(2));
    let idle = mib(process::memory(fresh.pid())?.resident);
    fresh.stop()?;

    let flooded = Server::start(site)?;
    let turn = pace.turn.max(Duration::from_secs(4)) * 2;
    let sign_ins = super::login::sign_ins(size, 4000);
    let outcome = Plan::flat_out(flooded.addr, 16, turn, Work::Repeat(sign_ins)).run()?;
    let memory = process::memory(flooded.pid())?;
    flooded.stop()?;
    let peak = mib(memory.peak);
    let most = IDLE + HASH * process::cores() as f64;
    let binary = mib(std::fs::metadata(server::binary()?)?.len());
    let row = |name: String, value: f64, limit: f64, baseline: String| Row {
        name,
        ours: format!("{value:.1} MiB"),
        baseline,
        ratio: None,
        target: format!("≤ {limit:.0} MiB"),
        met: value <= limit,
        cpu_ms: None,
    };
    Ok(vec![
        row("Resident memory, idle before the first sign-in".into(), idle, IDLE, String::new()),
        row(
            format!("Resident memory, the most during {} sign-ins", count(f64::from(outcome.answered))),
            peak,
            most,
            format!("30 MiB + {} threads × {HASH:.0} MiB", process::cores()),
        ),
        row("Binary, stripped".into(), binary, BINARY, String::new()),
    ])
}
