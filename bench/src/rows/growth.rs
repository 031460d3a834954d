//! The same operations on a small store and on a large one.

use anyhow::Result;

use super::login::sign_ins;
use super::{Pace, measured};
use crate::load::{Plan, Work, get, post};
use crate::seed::Size;
use crate::server::{Server, Site};
use crate::table::{Row, count, median};
use crate::tokens::{self, Samples};

const CONNECTIONS: usize = 8;
const TARGET: f64 = 1.3;
/// Requests of one turn, each of another person.
const PER_TURN: usize = 1500;

/// A store with how much is in it.
pub struct Stock {
    /// Where it is; passwords cost next to nothing there.
    pub site: Site,
    /// What is in it.
    pub size: Size,
}

/// A store that is served and the requests that are sent to it.
struct Side {
    server: Server,
    work: Vec<Vec<String>>,
}

const OPERATIONS: [&str; 4] = ["Refresh", "GET /me of people not in memory", "Session list", "Sign-in without its hash"];

/// The lines.
pub async fn rows(small: &Stock, large: &Stock, pace: Pace) -> Result<Vec<Row>> {
    let rounds = pace.rounds.min(small.size.users / PER_TURN - 1);
    let sides = [side(small, rounds).await?, side(large, rounds).await?];
    let mut lines = Vec::new();
    for (operation, name) in OPERATIONS.into_iter().enumerate() {
        let mut cost: [[Vec<f64>; 2]; 2] = Default::default();
        for round in 0..rounds {
            for (side, cost) in sides.iter().zip(&mut cost) {
                let turn = side.work[operation].chunks(PER_TURN).nth(round).unwrap_or_default().to_vec();
                let plan = Plan::flat_out(side.server.addr, CONNECTIONS, pace.turn, Work::Once(turn));
                let (outcome, cpu) = measured(&side.server, &plan)?;
                cost[0].push(cpu);
                cost[1].push(outcome.mean_ms);
            }
        }
        let [before, after] = cost.map(|both| both.map(median));
        let ratio = (after[0] / before[0]).max(after[1] / before[1]);
        let told = |cost: [f64; 2]| format!("{:.4} ms CPU, {:.2} ms", cost[0], cost[1]);
        lines.push(Row {
            name: format!("{name}, {} people and {} sessions", count(large.size.users as f64), count(large.size.sessions as f64)),
            ours: told(after),
            baseline: format!("{}: {}", count(small.size.users as f64), told(before)),
            ratio: Some(ratio),
            target: format!("≤ {TARGET}"),
            met: ratio <= TARGET,
            cpu_ms: Some(after[0]),
        });
    }
    for side in sides {
        side.server.stop()?;
    }
    Ok(lines)
}

async fn side(stock: &Stock, rounds: usize) -> Result<Side> {
    let Samples { access, refresh, .. } = tokens::sample(&stock.site, PER_TURN * rounds).await?;
    let refreshes = refresh.iter().map(|token| post("/api/v1/auth/refresh", &format!("{{\"refreshToken\":\"{token}\"}}"))).collect();
    let mes = access.iter().map(|token| get("/api/v1/auth/me", token)).collect();
    let lists = access.iter().map(|token| get("/api/v1/sessions", token)).collect();
    let work = vec![refreshes, mes, lists, sign_ins(stock.size, PER_TURN * rounds)];
    // Both files are in the memory of the machine, as those of a server in service are: what the disk of this
    // machine costs is not what grows with the data.
    std::io::copy(&mut std::fs::File::open(stock.site.database())?, &mut std::io::sink())?;
    Ok(Side { server: Server::start(&stock.site)?, work })
}
