//! People from another system, over HTTP: carried out in the background, with the hashes they bring along.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::audit::{drain, root};
use crate::load::get;
use crate::process;
use crate::server::{self, Server, Site};
use crate::table::{Row, count};

const ROUTE: &str = "/api/v1/admin/users/import";
const EXPORT: &str = "/api/v1/admin/users/export";
const MIB: f64 = 1024.0 * 1024.0;
/// A hash of another system, as every line brings one.
const HASH: &str = "$2b$12$xUy2jUoC6nNLdKs3fHO1tuOFSp6sk693BewN14eJh0TCJbdTtqOHG";
/// Minutes that were promised, and memory: what a server holds idle, and four times that for the stores' own caches.
const MINUTES: f64 = 2.0;
const MEMORY: f64 = 128.0;

/// The lines.
pub fn rows(site: &Site, people: usize) -> Result<Vec<Row>> {
    super::audit::administrator(site)?;
    let server = Server::start(site)?;
    let token = root(&server)?;
    let body: String = (0..people).map(line).collect();
    let started = Instant::now();
    let mut stream = std::net::TcpStream::connect(server.addr)?;
    let head = format!(
        "POST {ROUTE} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let taken = started.elapsed();
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).context("the import was not put by")?.to_owned();
    process::until("the import to end", Duration::from_secs(1800), || {
        server::get(server.addr, &location, Some(&token)).is_ok_and(|answer| answer.body().contains("\"status\":\"done\""))
    })?;
    let took = started.elapsed();
    let report = server::get(server.addr, &location, Some(&token))?;
    ensure!(report.body().contains(&format!("\"imported\":{people}")), "not everybody was imported: {}", report.body());
    let (peak, cpu) = (process::memory(server.pid())?.peak as f64 / MIB, server.cpu()?.as_secs_f64() * 1000.0 / people as f64);
    let minutes = took.as_secs_f64() / 60.0;
    let imported = Row {
        name: format!("Import of {} people, {} MiB", count(people as f64), count(body.len() as f64 / MIB)),
        ours: format!("{:.1} s ({:.1} s until 202), {peak:.1} MiB at most", took.as_secs_f64(), taken.as_secs_f64()),
        baseline: String::new(),
        ratio: None,
        target: format!("≤ {MINUTES:.0} min, ≤ {MEMORY:.0} MiB"),
        met: minutes <= MINUTES && peak <= MEMORY,
        cpu_ms: Some(cpu),
    };
    server.stop()?;
    let server = Server::start(site)?;
    let token = root(&server)?;
    let before = server.cpu()?;
    let started = Instant::now();
    let bytes = drain(server.addr, &get(EXPORT, &token))?;
    let (seconds, peak) = (started.elapsed().as_secs_f64(), process::memory(server.pid())?.peak as f64 / MIB);
    let cpu = server.cpu()?.saturating_sub(before).as_secs_f64() * 1000.0 / people as f64;
    server.stop()?;
    let exported = Row {
        name: format!("Export of {} people, {} MiB", count(people as f64), count(bytes as f64 / MIB)),
        ours: format!("{seconds:.1} s, {peak:.1} MiB at most"),
        baseline: String::new(),
        ratio: None,
        target: format!("≤ {MEMORY:.0} MiB"),
        met: peak <= MEMORY,
        cpu_ms: Some(cpu),
    };
    Ok(vec![imported, exported])
}

fn line(number: usize) -> String {
    format!(
        "{{\"email\":\"person-{number}@example.com\",\"name\":\"Ada Lovelace\",\"role\":\"Analyst\",\"emailVerified\":true,\"createdAt\":\"2020-02-03T04:05:06Z\",\"passwordHash\":\"{HASH}\"}}\n"
    )
}
