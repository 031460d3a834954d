//! What the same requests cost on a small store and on a large one.

use anyhow::Result;

use super::{Pace, measured};
use crate::load::{Plan, Work};
use crate::server::Server;
use crate::table::{Row, count, median};

/// What a request costs: processor time of the server and time until the answer, in milliseconds.
type Cost = [f64; 2];

/// Medians of the rounds.
pub struct Grown {
    small: Cost,
    large: Cost,
}

impl Grown {
    /// Asks both servers in turns, the small one first, each its own requests over and over.
    ///
    /// # Errors
    /// A server does not answer every request with 200.
    pub fn measure(sides: [(&Server, Vec<String>); 2], connections: usize, pace: Pace) -> Result<Self> {
        let mut costs: [[Vec<f64>; 2]; 2] = Default::default();
        for round in 0..=pace.rounds {
            for ((server, requests), cost) in sides.iter().zip(&mut costs) {
                let plan = Plan::flat_out(server.addr, connections, pace.turn, Work::Repeat(requests.clone()));
                let (outcome, cpu) = measured(server, &plan)?;
                // The first turn warms up what is measured afterwards.
                if round > 0 {
                    cost[0].push(cpu);
                    cost[1].push(outcome.mean_ms);
                }
            }
        }
        let [small, large] = costs.map(|both| both.map(median));
        Ok(Self { small, large })
    }

    /// The line: `small` is how much the small store holds, `target` how many times as much the large one may cost.
    pub fn row(&self, name: String, small: usize, target: f64) -> Row {
        let ratio = (self.large[0] / self.small[0]).max(self.large[1] / self.small[1]);
        let told = |cost: Cost| format!("{:.4} ms CPU, {:.2} ms", cost[0], cost[1]);
        Row {
            name,
            ours: told(self.large),
            baseline: format!("{}: {}", count(small as f64), told(self.small)),
            ratio: Some(ratio),
            target: format!("≤ {target:.0}"),
            met: ratio <= target,
            cpu_ms: Some(self.large[0]),
        }
    }
}
