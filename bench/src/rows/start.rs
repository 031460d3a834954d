//! From the start of the process until it is ready.

use anyhow::Result;

use crate::server::{Server, Site};
use crate::table::{Row, median};

const STARTS: usize = 7;

/// The lines: on a folder that does not exist yet, and on one that does.
pub fn rows() -> Result<Vec<Row>> {
    let (mut empty, mut existing) = (vec![], vec![]);
    for _ in 0..STARTS {
        let folder = tempfile::tempdir()?;
        let site = Site::sqlite(folder.path());
        for times in [&mut empty, &mut existing] {
            let server = Server::start(&site)?;
            times.push(server.start.as_secs_f64() * 1000.0);
            server.stop()?;
        }
    }
    let row = |name: &str, times: Vec<f64>, limit: f64| {
        let took = median(times);
        Row {
            name: name.to_owned(),
            ours: format!("{took:.0} ms"),
            baseline: String::new(),
            ratio: None,
            target: format!("< {limit:.0} ms"),
            met: took < limit,
            cpu_ms: None,
        }
    };
    Ok(vec![row("Start to ready, empty data folder", empty, 300.0), row("Start to ready, existing data folder", existing, 150.0)])
}
