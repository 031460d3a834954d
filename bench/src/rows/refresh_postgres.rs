//! Refresh on PostgreSQL against pgbench with the same UPDATE and the same number of clients.

use anyhow::Result;
use keystead::args;
use keystead::db::Sql;

use super::{Pace, measured};
use crate::load::{Plan, Work};
use crate::postgres::Postgres;
use crate::seed::{self, Size};
use crate::server::{Server, Site};
use crate::table::{Row, count, median};
use crate::tokens;

/// Clients of both; as many as the server has connections unless told otherwise.
const CLIENTS: usize = 16;
const SIZE: Size = Size { users: 2000, sessions: 6000 };
const SAMPLED: usize = 1000;

/// The sessions again, in a table of the same columns and indexes whose ids pgbench can compute.
const COPY: [Sql; 3] = [
    postgres("CREATE TABLE bench_sessions (LIKE sessions INCLUDING ALL)"),
    postgres(
        "INSERT INTO bench_sessions SELECT lpad(to_hex(row_number() OVER ()), 32, '0')::uuid, user_id, client_id, decode(repeat('00', 32), 'hex'),
            generation, seen_generation, created_at, rotated_at, last_active_at, refresh_expires_at, idle_expires_at, expires_at, ip, user_agent, ended_at, end_reason FROM sessions",
    ),
    postgres("ANALYZE bench_sessions"),
];

/// The statement of a refresh, except that pgbench cannot remember which generation each row has.
const SCRIPT: &str = "\\set n random(1, 6000)
UPDATE bench_sessions SET generation = generation + 1, rotated_at = NOW, last_active_at = NOW, refresh_expires_at = LATER, idle_expires_at = LATER \
    WHERE id = lpad(to_hex(:n::bigint), 32, '0')::uuid AND generation >= 0 AND salt = decode(repeat('00', 32), 'hex') AND ended_at IS NULL \
    AND refresh_expires_at > NOW AND idle_expires_at > NOW AND expires_at > NOW \
    RETURNING id, user_id, client_id, salt, generation, seen_generation, created_at, rotated_at, last_active_at, \
    refresh_expires_at, idle_expires_at, expires_at, ended_at, end_reason;
";

const fn postgres(text: &'static str) -> Sql {
    Sql { sqlite: "", postgres: text }
}

/// The line; none where PostgreSQL is not installed.
pub async fn rows(pace: Pace) -> Result<Vec<Row>> {
    let Some(bin) = Postgres::installed() else { return Ok(Vec::new()) };
    let folder = tempfile::tempdir()?;
    let database = Postgres::start(bin)?;
    // While it is filled many more wait for a connection than ever do in service.
    let site = Site::sqlite(folder.path()).with("DATABASE_URL", database.url());
    let filling = site.clone().with("KEYSTEAD_DATABASE__ACQUIRE_TIMEOUT", "60s");
    seed::fill(&filling, SIZE).await?;
    let app = tokens::open(&site).await?;
    for sql in COPY {
        app.ground.db.write_one(sql, args![]).await?;
    }
    app.close().await;
    let mut current = tokens::sample(&site, SAMPLED).await?.refresh;

    let now = keystead::time::Clock::system().now();
    let script = folder.path().join("rotate.sql");
    let later = now.as_micros() + 7 * 24 * 3600 * 1_000_000;
    std::fs::write(&script, SCRIPT.replace("NOW", &now.as_micros().to_string()).replace("LATER", &later.to_string()))?;

    let ours = Server::start(&site)?;
    let (mut rates, mut raw_rates, mut ratios, mut cpus) = (vec![], vec![], vec![], vec![]);
    for round in 0..=pace.rounds {
        let raw = database.pgbench(&script, CLIENTS, pace.turn)?;
        let (mut mine, cpu) = measured(&ours, &Plan::flat_out(ours.addr, CLIENTS, pace.turn, Work::Refresh(current)))?;
        current = std::mem::take(&mut mine.tokens);
        if round > 0 {
            rates.push(mine.rate());
            raw_rates.push(raw);
            ratios.push(mine.rate() / raw);
            cpus.push(cpu);
        }
    }
    ours.stop()?;
    let ratio = median(ratios);
    Ok(vec![Row {
        name: format!("Refresh on {}, {CLIENTS} clients", database.version()),
        ours: format!("{}/s", count(median(rates))),
        baseline: format!("pgbench {}/s", count(median(raw_rates))),
        ratio: Some(ratio),
        target: "≥ 0.60".into(),
        met: ratio >= 0.60,
        cpu_ms: Some(median(cpus)),
    }])
}
