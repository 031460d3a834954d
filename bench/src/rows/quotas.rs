//! Quotas: units consumed per second, against the same UPDATE without a server around it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keystead::args;
use keystead::db::Sql;
use keystead::quotas::STATEMENTS;
use rusqlite::{Connection, named_params};
use uuid::Uuid;

use super::{Pace, measured};
use crate::load::{self, Plan, Work};
use crate::postgres::Postgres;
use crate::seed::{self, Size};
use crate::server::{self, Server, Site};
use crate::table::{Row, count, median};
use crate::tokens;

const PATH: &str = "/api/v1/quotas/tokens/consume";
/// Clients that consume at the same time.
const CONNECTIONS: usize = 16;
/// People whose rows are changed; as many again for the raw loop.
const PEOPLE: usize = 64;
const SIZE: Size = Size { users: 2000, sessions: 2000 };
/// So much that nobody comes to the threshold while it is measured.
const LIMIT: &str = "9000000000000000/366d";
const PERIODS: Sql = both("SELECT user_id, period_start, day FROM quota_counters ORDER BY user_id");

const fn both(text: &'static str) -> Sql {
    Sql { sqlite: text, postgres: text }
}

/// The statement that consumes.
fn take() -> Result<Sql> {
    STATEMENTS.iter().find(|(name, _)| *name == "TAKE").map(|(_, sql)| *sql).context("the quotas have no such statement")
}

fn requests(access: &[String]) -> Vec<String> {
    access.iter().map(|token| load::post_as(token, PATH, "application/json", "{\"amount\":1}")).collect()
}

/// A store of its own with people in it; each has consumed something, so that all have a row.
async fn prepared(site: &Site) -> Result<(Server, Vec<String>)> {
    seed::fill(&site.clone().with("KEYSTEAD_DATABASE__ACQUIRE_TIMEOUT", "60s"), SIZE).await?;
    // Drawn until there are enough different people, so far fewer than there are.
    let samples = tokens::sample(site, 2 * PEOPLE).await?;
    let mut access: Vec<(Uuid, String)> = samples.sessions.iter().map(|session| session.user).zip(samples.access).collect();
    // In the order in which the raw loop finds their rows.
    access.sort_unstable();
    let all = requests(&access.into_iter().map(|(_, token)| token).collect::<Vec<_>>());
    let server = Server::start(site)?;
    for request in &all {
        let answer = server::send(server.addr, request)?;
        ensure!(answer.status() == 200, "{PATH} answered {}: {}", answer.status(), answer.body());
    }
    Ok((server, all[..PEOPLE].to_vec()))
}

/// The lines on SQLite: many people, and one alone.
pub async fn rows(folder: &Path, pace: Pace) -> Result<Vec<Row>> {
    let site = Site::sqlite(&folder.join("quotas")).with("KEYSTEAD_QUOTAS__TOKENS", LIMIT);
    let (ours, requests) = prepared(&site).await?;
    let many = sqlite(&ours, &site, &requests, pace)?;
    let one = sqlite(&ours, &site, &requests[..1], pace)?;
    ours.stop()?;
    let mut rows = vec![many.row(format!("Consume on SQLite, {PEOPLE} people")), one.row("The same, one person".into())];
    rows.extend(postgres(pace).await?);
    Ok(rows)
}

struct Seen {
    rate: f64,
    raw: f64,
    ratio: f64,
    cpu: f64,
    batch: f64,
}

impl Seen {
    fn row(&self, name: String) -> Row {
        Row {
            name: format!("{name}, {CONNECTIONS} clients, {:.1} to a commit", self.batch),
            ours: format!("{}/s", count(self.rate)),
            baseline: format!("raw UPDATE {}/s", count(self.raw)),
            ratio: Some(self.ratio),
            target: "≥ 0.50".into(),
            met: self.ratio >= 0.50,
            cpu_ms: Some(self.cpu),
        }
    }
}

fn sqlite(ours: &Server, site: &Site, requests: &[String], pace: Pace) -> Result<Seen> {
    let (mut rates, mut raws, mut ratios, mut cpus, mut batches) = (vec![], vec![], vec![], vec![], vec![]);
    for round in 0..=pace.rounds {
        let metric = |name| ours.metric(name);
        let before = (metric("keystead_db_commits_total")?, metric("keystead_db_commit_callers_total")?);
        let plan = Plan::flat_out(ours.addr, CONNECTIONS, pace.turn, Work::Repeat(requests.to_vec()));
        let (mine, cpu) = measured(ours, &plan)?;
        let commits = metric("keystead_db_commits_total")? - before.0;
        let batch = (metric("keystead_db_commit_callers_total")? - before.1) / commits.max(1.0);
        let raw = raw_sqlite(&site.database(), (batch.round() as usize).max(1), requests.len(), pace.turn)?;
        if round > 0 {
            rates.push(mine.rate());
            raws.push(raw);
            ratios.push(mine.rate() / raw);
            cpus.push(cpu);
            batches.push(batch);
        }
    }
    let [rate, raw, ratio, cpu, batch] = [rates, raws, ratios, cpus, batches].map(median);
    Ok(Seen { rate, raw, ratio, cpu, batch })
}

/// The same statement over one connection as fast as it goes, `batch` to a commit, with the durability of the server.
fn raw_sqlite(path: &Path, batch: usize, people: usize, during: Duration) -> Result<f64> {
    let connection = Connection::open(path)?;
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-4096; PRAGMA wal_autocheckpoint=2000;")?;
    let mut periods = connection.prepare(PERIODS.sqlite)?;
    let rows = periods.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    let people: Vec<_> = rows.take(people).collect::<rusqlite::Result<_>>()?;
    let mut take = connection.prepare(take()?.sqlite)?;
    let now = keystead::time::Clock::system().now().as_micros();
    let (started, mut done, mut order) = (Instant::now(), 0_u32, people.iter().cycle());
    while started.elapsed() < during {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for (user, start, day) in order.by_ref().take(batch) {
            let arguments = named_params! {"$1": user, "$2": "tokens", "$3": start, "$4": day, "$5": 1, "$6": 0,
            "$7": 9_000_000_000_000_000_i64, "$8": now, "$9": 80, "$10": i64::MAX};
            ensure!(take.query(arguments)?.next()?.is_some(), "nothing was consumed");
        }
        connection.execute_batch("COMMIT")?;
        done += u32::try_from(batch)?;
    }
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

/// The rows again, in a table of the same columns and indexes whose ids pgbench can compute.
const COPY: [Sql; 2] = [
    both("CREATE TABLE bench_counters (LIKE quota_counters INCLUDING ALL)"),
    both(
        "INSERT INTO bench_counters SELECT lpad(to_hex(row_number() OVER ()), 32, '0')::uuid, quota, period_start, used, reserved, reserved_until,
            settled_at, day, day_used, day_limit, warned, exceeded, own_limit, own_limit_until FROM quota_counters LIMIT 64",
    ),
];

/// The line on PostgreSQL, against pgbench; none where it is not installed.
async fn postgres(pace: Pace) -> Result<Option<Row>> {
    let Some(bin) = Postgres::installed() else { return Ok(None) };
    let folder = tempfile::tempdir()?;
    let database = Postgres::start(bin)?;
    let site = Site::sqlite(folder.path()).with("DATABASE_URL", database.url()).with("KEYSTEAD_QUOTAS__TOKENS", LIMIT);
    let (ours, requests) = prepared(&site).await?;
    let app = tokens::open(&site).await?;
    for sql in COPY {
        app.ground.db.write_one(sql, args![]).await?;
    }
    let periods = app.ground.db.query(PERIODS, args![]).await?;
    let row = periods.first().context("nobody has a row")?;
    let now = app.ground.clock.now().as_micros();
    let mut statement = take()?.postgres.replace("quota_counters", "bench_counters").replace("$10", &i64::MAX.to_string());
    for (name, value) in [
        ("$1", "lpad(to_hex(:n::bigint), 32, '0')::uuid".to_owned()),
        ("$2", "'tokens'".to_owned()),
        ("$3", row.get::<i64>(1)?.to_string()),
        ("$4", row.get::<i64>(2)?.to_string()),
        ("$5", "1".to_owned()),
        ("$6", "0".to_owned()),
        ("$7", "9000000000000000".to_owned()),
        ("$8", now.to_string()),
        ("$9", "80".to_owned()),
    ] {
        statement = statement.replace(name, &value);
    }
    app.close().await;
    let script = folder.path().join("consume.sql");
    std::fs::write(&script, format!("\\set n random(1, {PEOPLE})\n{};\n", statement.split_whitespace().collect::<Vec<_>>().join(" ")))?;
    let (mut rates, mut raws, mut ratios, mut cpus) = (vec![], vec![], vec![], vec![]);
    for round in 0..=pace.rounds {
        let raw = database.pgbench(&script, CONNECTIONS, pace.turn)?;
        let plan = Plan::flat_out(ours.addr, CONNECTIONS, pace.turn, Work::Repeat(requests.clone()));
        let (mine, cpu) = measured(&ours, &plan)?;
        if round > 0 {
            rates.push(mine.rate());
            raws.push(raw);
            ratios.push(mine.rate() / raw);
            cpus.push(cpu);
        }
    }
    ours.stop()?;
    let [rate, raw, ratio, cpu] = [rates, raws, ratios, cpus].map(median);
    Ok(Some(Row {
        name: format!("Consume on {}, {PEOPLE} people, {CONNECTIONS} clients", database.version()),
        ours: format!("{}/s", count(rate)),
        baseline: format!("pgbench {}/s", count(raw)),
        ratio: Some(ratio),
        target: "≥ 0.50".into(),
        met: ratio >= 0.50,
        cpu_ms: Some(cpu),
    }))
}
