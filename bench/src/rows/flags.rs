//! Flags: one evaluated in process, and a hundred at once by the remote evaluation protocol.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use datalogic_rs::Engine;
use datalogic_rs::bumpalo::Bump;
use keystead::flags::{Compiled, Context, Definition};
use serde_json::{Value, json};

use super::{Pace, beside_a_bare_route};
use crate::load;
use crate::server::{Server, Site};
use crate::table::{Row, median};
use crate::tokens::Samples;

const PATH: &str = "/ofrep/v1/evaluate/flags";
const FLAGS: usize = 100;
const PEOPLE: usize = 64;

/// A flag with a targeting rule and a roll-out.
fn definition() -> Value {
    let pro = json!({"and": [{"in": [{"var": "plan"}, ["pro", "team"]]}, {">=": [{"var": "seats"}, 5]}]});
    let rules = json!([{"if": pro, "variant": "on"}, {"rollout": [{"variant": "on", "percent": 20}, {"variant": "off", "percent": 80}]}]);
    json!({"type": "boolean", "enabled": true, "variants": {"on": true, "off": false}, "defaultVariant": "off", "rules": rules})
}

/// The lines.
pub fn rows(site: &Site, samples: &Samples, pace: Pace) -> Result<Vec<Row>> {
    for number in 0..FLAGS {
        site.keystead(&["flags", "set", &format!("flag-{number}"), "-"], &definition().to_string())?;
    }
    let ours = Server::start(site)?;
    let body = json!({"context": {"plan": "free", "seats": 3}}).to_string();
    let requests: Vec<String> =
        samples.access.iter().take(PEOPLE).map(|token| load::post_as(token, PATH, "application/json", &body)).collect();
    let seen = beside_a_bare_route(&ours, PATH, &requests, pace)?;
    ours.stop()?;
    Ok(vec![in_process(pace)?, seen.row(format!("OFREP, {FLAGS} flags at once, {PEOPLE} people"), 0.50)])
}

/// One evaluation after the other on one thread; neither rule holds at once, so both are looked at.
fn in_process(pace: Pace) -> Result<Row> {
    let (engine, definition) = (Engine::new(), serde_json::from_value::<Definition>(definition())?);
    let flag = Compiled::new(&engine, "flag", definition);
    let attributes = json!({"targetingKey": "0192f0c4-7b1e-7c3a-9d52-1f2e3d4c5b6a", "plan": "free", "seats": 3});
    let mut rounds = Vec::new();
    for _ in 0..=pace.rounds {
        let (started, mut done) = (Instant::now(), 0_u32);
        while started.elapsed() < pace.turn.min(Duration::from_secs(1)) {
            // As long as an answer lives, and so what is put together for it.
            let arena = Bump::new();
            let context = Context::new(&attributes, &arena);
            for _ in 0..1000 {
                black_box(flag.evaluate(&engine, black_box(&context)).map_err(|_| anyhow!("no targeting key"))?);
            }
            done += 1000;
        }
        rounds.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(done));
    }
    let micros = median(rounds.split_off(1));
    ensure!(micros.is_finite());
    Ok(Row {
        name: "A flag with a rule and a roll-out, in process".into(),
        ours: format!("{micros:.2} µs"),
        baseline: String::new(),
        ratio: None,
        target: "≤ 2 µs".into(),
        met: micros <= 2.0,
        cpu_ms: Some(micros / 1000.0),
    })
}
