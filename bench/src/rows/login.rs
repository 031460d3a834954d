//! Sign-ins against raw hashing, and what a flood of them does to everybody else.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Pace, measured};
use crate::baseline::{self, Recorded};
use crate::load::{self, Plan, Work, post};
use crate::process;
use crate::seed::{self, PASSWORD, Size};
use crate::server::{self, Server, Site};
use crate::table::{Row, count, median};
use crate::tokens::Samples;

const PATH: &str = "/api/v1/auth/me";
/// Sign-ins under way: enough that the hashing threads never wait, too few for anyone to be refused.
const CONNECTIONS: usize = 16;
/// The default cost of a hash.
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
/// Requests per second of those whose latency is watched.
const WATCHED: f64 = 250.0;

/// Requests to sign in, each of another person.
pub fn sign_ins(size: Size, count: usize) -> Vec<String> {
    let step = size.users.div_ceil(count).max(1);
    let people = (0..size.users).step_by(step);
    people
        .map(|number| {
            post(
                "/api/v1/auth/login",
                &format!("{{\"email\":\"{}\",\"password\":\"{PASSWORD}\",\"transport\":\"body\"}}", seed::email(number)),
            )
        })
        .collect()
}

/// The lines.
pub fn rows(site: &Site, size: Size, samples: &Samples, pace: Pace) -> Result<Vec<Row>> {
    let ours = Server::start(site)?;
    // A hash takes some twenty milliseconds, so a turn has to be longer here to count enough of them.
    let turn = pace.turn.max(Duration::from_secs(4));
    let flood = Work::Repeat(sign_ins(size, 4000));
    let (mut rates, mut raw_rates, mut ratios, mut cpus, mut raw_cpus) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..pace.rounds {
        let raw = baseline::hash(process::cores(), MEMORY_KIB, ITERATIONS, turn)?;
        let (mine, cpu) = measured(&ours, &Plan::flat_out(ours.addr, CONNECTIONS, turn, flood.clone()))?;
        rates.push(mine.rate());
        raw_rates.push(raw.rate);
        ratios.push(mine.rate() / raw.rate);
        cpus.push(cpu);
        raw_cpus.push(raw.cpu_ms);
    }
    let ratio = median(ratios);
    let logins = Row {
        name: format!("Sign-ins, {} threads, {CONNECTIONS} clients", process::cores()),
        ours: format!("{:.1}/s", median(rates)),
        baseline: format!("raw Argon2id {:.1}/s, {:.2} ms CPU", median(raw_rates), median(raw_cpus)),
        ratio: Some(ratio),
        target: "≥ 0.95".into(),
        met: ratio >= 0.95,
        cpu_ms: Some(median(cpus)),
    };
    let watched = watched(&ours, flood, samples, pace)?;
    ours.stop()?;
    Ok(vec![logins, watched])
}

/// The 99th percentile of `GET /me` at rest and during the flood; and of a bare axum route at rest and beside as many
/// threads of raw hashing, which is what the scheduler of this machine costs whoever shares cores with hashing.
fn watched(ours: &Server, flood: Work, samples: &Samples, pace: Pace) -> Result<Row> {
    let answer = server::get(ours.addr, PATH, samples.access.first().map(String::as_str))?;
    ensure!(answer.status() == 200, "/me answered {}", answer.status());
    let folder = tempfile::tempdir()?;
    let recorded = folder.path().join("answer.json");
    Recorded::of(&answer).write(&recorded)?;
    let bare = Server::bare_axum(PATH, &recorded)?;

    let turn = pace.turn.max(Duration::from_secs(4));
    let around = turn + Duration::from_secs(1);
    let requests: Vec<String> = samples.access.iter().take(64).map(|token| load::get(PATH, token)).collect();
    let watch = |server: &Server| Plan { pace: Some(WATCHED), ..Plan::flat_out(server.addr, 4, turn, Work::Repeat(requests.clone())) };
    let (mut rest, mut flooded, mut bare_rest, mut bare_beside) = (vec![], vec![], vec![], vec![]);
    for _ in 0..pace.rounds {
        rest.push(watch(ours).run()?.p99_ms);
        let running = Plan::flat_out(ours.addr, CONNECTIONS, around, flood.clone()).start()?;
        process::pass(Duration::from_millis(400));
        flooded.push(watch(ours).run()?.p99_ms);
        running.finish()?;
        bare_rest.push(watch(&bare).run()?.p99_ms);
        bare_beside.push(
            std::thread::scope(|scope| {
                let hashing = scope.spawn(|| baseline::hash(process::cores(), MEMORY_KIB, ITERATIONS, around));
                process::pass(Duration::from_millis(400));
                let watched = watch(&bare).run();
                hashing.join().map_err(|_| anyhow::anyhow!("hashing panicked"))??;
                watched
            })?
            .p99_ms,
        );
    }
    let (rest, flooded) = (median(rest), median(flooded));
    let (bare_rest, bare_beside) = (median(bare_rest), median(bare_beside));
    let share = (bare_beside - bare_rest).max(0.0);
    Ok(Row {
        name: format!("p99 of GET /me at {}/s during the flood", count(WATCHED)),
        ours: format!("{flooded:.2} ms (at rest {rest:.2})"),
        baseline: format!("bare axum {bare_beside:.2} ms beside raw hashing (at rest {bare_rest:.2})"),
        ratio: Some(flooded / rest),
        target: format!("≤ 3 × {rest:.2} + scheduler's {share:.2} ms"),
        met: flooded <= 3.0 * rest + share,
        cpu_ms: None,
    })
}
