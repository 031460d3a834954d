//! The audit trail: how fast it is verified and searched, what an export of all of it takes, and what it costs the act.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use keystead::app::App;
use keystead::audit::{self, ACTIONS, Actor, Event, Target};
use keystead::db::DbError;
use keystead::http::context::Origin;
use uuid::Uuid;

use super::grown::Grown;
use super::{Pace, measured};
use crate::load::{Plan, Work, get, post};
use crate::server::{self, Server, Site};
use crate::table::{Row, count, median};
use crate::{process, seed, tokens};

const PATH: &str = "/api/v1/admin/audit";
const EXPORT: &str = "/api/v1/admin/audit/export";
const MIB: f64 = 1024.0 * 1024.0;
/// Events written in one transaction while a trail is made.
const BATCH: usize = 5_000;
/// People who act.
const PEOPLE: u128 = 1_000;
/// Of how many events one is a refusal.
const REFUSED: usize = 40;
const CONNECTIONS: usize = 8;
/// What a server may hold in memory while it exports: twice what it holds idle.
const EXPORT_MEMORY: f64 = 64.0;
/// Acts of one round.
const ACTS: usize = 20_000;
const ROOT: &str = "root@example.com";

/// How long the trails are: the one that is searched first, and the long one.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// Events of the small trail.
    pub small: usize,
    /// Events of the long one.
    pub large: usize,
}

/// Events of a million different instants, sealed and signed as always.
async fn fill(site: &Site, events: usize) -> Result<()> {
    administrator(site)?;
    let app = tokens::open(site).await?;
    let begin = app.ground.clock.now().minus(Duration::from_secs(events as u64));
    for batch in 0..events.div_ceil(BATCH) {
        let written = (batch * BATCH..((batch + 1) * BATCH).min(events)).map(|n| event(&app, n, begin.plus(Duration::from_secs(n as u64))));
        let written: Vec<Event> = written.collect();
        app.ground
            .db
            .write(async move |tx| {
                for event in &written {
                    audit::record(tx, event).await?;
                }
                Ok::<_, DbError>(())
            })
            .await?;
        while audit::seal(&app.ground).await? > 0 {}
    }
    audit::checkpoint(&app.ground).await?;
    app.close().await;
    Ok(())
}

fn event(app: &App, n: usize, at: keystead::time::Timestamp) -> Event {
    let person = Uuid::from_u128(1 + n as u128 % PEOPLE);
    let origin = Origin {
        ip: Some(std::net::IpAddr::from([192, 0, 2, 1])),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
        request_id: Some(format!("01920000-0000-7000-8000-{n:012}")),
        impersonator: None,
    };
    let event = Event::new(&app.ground, ACTIONS[n % ACTIONS.len()], at).actor(Actor::User(person)).target(Target::user(person));
    let event = event.detail("method", "password").origin(&app.ground, None, &origin);
    if n.is_multiple_of(REFUSED) { event.denied() } else { event }
}

/// Makes the one person who may look.
pub fn administrator(site: &Site) -> Result<()> {
    let create = ["users", "create", "--email", ROOT, "--name", "Root", "--verified", "--roles", "admin", "--password-stdin"];
    site.keystead(&create, &format!("{}\n", seed::PASSWORD)).map(drop)
}

/// Their access token.
pub fn root(server: &Server) -> Result<String> {
    let body = format!("{{\"email\":\"{ROOT}\",\"password\":\"{}\",\"transport\":\"body\"}}", seed::PASSWORD);
    let answer = server::send(server.addr, &post("/api/v1/auth/login", &body))?;
    ensure!(answer.status() == 200, "the sign-in answered {}: {}", answer.status(), answer.body());
    let answer: serde_json::Value = serde_json::from_str(answer.body())?;
    Ok(answer["accessToken"].as_str().context("no token")?.to_owned())
}

/// The lines.
pub async fn rows(folder: &std::path::Path, length: Length, pace: Pace) -> Result<Vec<Row>> {
    let site = |name: &str| Site::sqlite(&folder.join(name)).with_cheap_passwords();
    let (small, large) = (site("audit-small"), site("audit-large"));
    fill(&small, length.small).await?;
    fill(&large, length.large).await?;
    let mut lines = vec![verified(&large, length.large, pace).await?];
    lines.extend(searched(&small, &large, length, pace)?);
    lines.push(exported(&large, length.large)?);
    lines.push(act(&site("audit-act"), pace).await?);
    Ok(lines)
}

async fn verified(site: &Site, events: usize, pace: Pace) -> Result<Row> {
    let app = tokens::open(site).await?;
    let mut rates = vec![];
    for _ in 0..pace.rounds.min(3) {
        let started = Instant::now();
        let found = audit::verify(&app.ground).await?;
        ensure!(found.valid && found.checked >= i64::try_from(events)?, "the trail is not whole: {found:?}");
        rates.push(found.checked as f64 / started.elapsed().as_secs_f64());
    }
    app.close().await;
    let bytes = [7u8; 512];
    let (hashed, seconds) = process::on_threads(1, Duration::from_secs(1), || {
        std::hint::black_box(keystead::audit::chain::Recorded {
            id: Uuid::max(),
            at: keystead::time::Timestamp::from_micros(1),
            actor_type: String::new(),
            actor: None,
            action: String::new(),
            target_type: String::new(),
            target: None,
            outcome: String::new(),
            sealed_for: None,
            origin: Some(bytes[..300].to_vec()),
            request_id: None,
            details: String::new(),
        })
        .hash(1, &keystead::audit::chain::GENESIS);
    });
    let (rate, raw) = (median(rates), hashed as f64 / seconds);
    Ok(Row {
        name: format!("audit verify, {} events", count(events as f64)),
        ours: format!("{}/s", count(rate)),
        baseline: format!("SHA-256 of as much on one thread {}/s", count(raw)),
        ratio: Some(rate / raw),
        target: "≥ 300,000/s".into(),
        met: rate >= 300_000.0,
        cpu_ms: Some(1000.0 / rate),
    })
}

/// What is searched for: its name, and the path of the n-th search.
type Kind = (&'static str, fn(u128) -> String);

fn searched(small: &Site, large: &Site, length: Length, pace: Pace) -> Result<Vec<Row>> {
    let servers = [Server::start(small)?, Server::start(large)?];
    let tokens = [root(&servers[0])?, root(&servers[1])?];
    let kinds: [Kind; 4] = [
        ("newest", |_| PATH.to_owned()),
        ("one actor", |n| format!("{PATH}?actor={}", Uuid::from_u128(1 + n % PEOPLE))),
        ("one act", |n| format!("{PATH}?action={}", ACTIONS[n as usize % ACTIONS.len()].0)),
        ("refused", |_| format!("{PATH}?outcome=denied")),
    ];
    let mut lines = vec![];
    for (name, path) in kinds {
        let requests = |token: &String| (0..64).map(|n| get(&path(n), token)).collect();
        let asked = [(&servers[0], requests(&tokens[0])), (&servers[1], requests(&tokens[1]))];
        let name = format!("Audit search, {name}, a page of 50 of {} events", count(length.large as f64));
        lines.push(Grown::measure(asked, CONNECTIONS, pace)?.row(name, length.small, 2.0));
    }
    for server in servers {
        server.stop()?;
    }
    Ok(lines)
}

fn exported(site: &Site, events: usize) -> Result<Row> {
    let server = Server::start(site)?;
    let token = root(&server)?;
    let started = Instant::now();
    let bytes = drain(server.addr, &get(EXPORT, &token))?;
    let (seconds, peak) = (started.elapsed().as_secs_f64(), process::memory(server.pid())?.peak as f64 / MIB);
    let cpu = server.cpu()?;
    server.stop()?;
    Ok(Row {
        name: format!("Export of {} events, {} MiB", count(events as f64), count(bytes as f64 / MIB)),
        ours: format!("{peak:.1} MiB at most, {}/s", count(events as f64 / seconds)),
        baseline: String::new(),
        ratio: None,
        target: format!("≤ {EXPORT_MEMORY:.0} MiB"),
        met: peak <= EXPORT_MEMORY,
        cpu_ms: Some(cpu.as_secs_f64() * 1000.0 / events as f64),
    })
}

/// Reads an answer to its end and keeps nothing of it; how many bytes it was.
pub fn drain(addr: SocketAddr, request: &str) -> Result<u64> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(addr)?;
    stream.write_all(request.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes())?;
    let mut head = [0; 15];
    stream.read_exact(&mut head)?;
    ensure!(head.starts_with(b"HTTP/1.1 200"), "the export answered {}", String::from_utf8_lossy(&head));
    Ok(std::io::copy(&mut stream, &mut std::io::sink())?)
}

/// What recording and sealing an event costs the processor, beside a whole request that causes one.
async fn act(site: &Site, pace: Pace) -> Result<Row> {
    seed::fill(site, seed::Size { users: 2_000, sessions: 2_000 }).await?;
    let samples = tokens::sample(site, 64).await?;
    let app = tokens::open(site).await?;
    let mut audits = vec![];
    for _ in 0..pace.rounds.min(3) {
        let [without, with] = [written(&app, &samples, false).await?, written(&app, &samples, true).await?];
        audits.push((with - without).max(0.0));
    }
    app.close().await;
    let server = Server::start(site)?;
    let body = "{\"role\":\"Analyst of engines\"}";
    let request = |token: &String| {
        let length = body.len();
        format!(
            "PATCH /api/v1/account HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let requests: Vec<String> = samples.access.iter().map(request).collect();
    let mut acts = vec![];
    for round in 0..=pace.rounds {
        let plan = Plan::flat_out(server.addr, 16, pace.turn, Work::Repeat(requests.clone()));
        let (_, cpu) = measured(&server, &plan)?;
        if round > 0 {
            acts.push(cpu);
        }
    }
    server.stop()?;
    let (audit, act) = (median(audits), median(acts));
    let share = audit / act;
    Ok(Row {
        name: "What the record costs the act (a profile is changed)".into(),
        ours: format!("{audit:.4} ms CPU, sealed"),
        baseline: format!("the whole request {act:.4} ms CPU"),
        ratio: Some(share),
        target: "≤ 0.15".into(),
        met: share <= 0.15,
        cpu_ms: Some(audit),
    })
}

/// Processor time of one act's transaction, in milliseconds, with its record or without.
async fn written(app: &App, samples: &tokens::Samples, audited: bool) -> Result<f64> {
    let before = process::cpu(std::process::id())?;
    let acts = (0..ACTS).map(|n| {
        let user = samples.sessions[n % samples.sessions.len()].user;
        let now = app.ground.clock.now();
        let event = audited.then(|| event(app, n, now));
        app.ground.db.write(async move |tx| {
            let changed = keystead::accounts::store::set_profile(tx, user, None, Some(Some(vec![7; 60])), now).await?;
            if let Some(event) = &event {
                audit::record(tx, event).await?;
            }
            Ok::<_, DbError>(changed)
        })
    });
    let done: Vec<_> = futures_util::stream::iter(acts).buffer_unordered(16).collect().await;
    ensure!(done.into_iter().all(|changed| matches!(changed, Ok(true))), "an act was not carried out");
    while audit::seal(&app.ground).await? > 0 {}
    let used = process::cpu(std::process::id())?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1000.0 / ACTS as f64)
}
