//! What the server is compared with: the same work without a server around it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::routing::any;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::server::Answer;
use crate::tokens::Sample;

/// An answer to be given again, byte by byte.
#[derive(Deserialize, Serialize)]
pub struct Recorded {
    headers: Vec<(String, String)>,
    body: String,
}

impl Recorded {
    /// Keeps what every server of hyper adds by itself out of it.
    pub fn of(answer: &Answer) -> Self {
        let own = |name: &str| !["date", "content-length", "connection"].contains(&name);
        let headers = answer.headers().filter(|(name, _)| own(name)).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { headers, body: answer.body().to_owned() }
    }

    /// Writes it where [`serve_axum`] reads it.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, serde_json::to_vec(self)?)?)
    }
}

/// One bare axum route, `route`, that answers what the file `path` holds: no check, no log, no limit.
pub async fn serve_axum(port: u16, route: &str, path: &Path) -> Result<()> {
    let recorded: Recorded = serde_json::from_slice(&std::fs::read(path)?)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &recorded.headers {
        headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let body = Bytes::from(recorded.body);
    let answer = move || std::future::ready((headers.clone(), body.clone()));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let router = Router::new().route(route, any(answer));
    // As our server does; without it small answers wait for acknowledgements.
    Ok(axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))), router).await?)
}

/// The statement of a refresh, as `sessions/store.rs` has it, with SQLite's own numbering of arguments.
const ROTATE: &str =
    "UPDATE sessions SET generation = generation + 1, rotated_at = ?4, last_active_at = ?4, refresh_expires_at = ?5, idle_expires_at = ?6
    WHERE id = ?1 AND generation = ?2 AND salt = ?3 AND ended_at IS NULL
        AND refresh_expires_at > ?4 AND idle_expires_at > ?4 AND expires_at > ?4
    RETURNING id, user_id, client_id, salt, generation, seen_generation, created_at, rotated_at, last_active_at,
        refresh_expires_at, idle_expires_at, expires_at, ended_at, end_reason";

/// What a loop managed.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    /// Operations per second.
    pub rate: f64,
    /// Processor time of this process per operation, in milliseconds.
    pub cpu_ms: f64,
}

/// Rotates `sessions` of the file at `path` over one connection as fast as it goes, `batch` to a commit, with the
/// durability of the server.
pub fn rotate_sqlite(path: &Path, sessions: &mut [Sample], batch: usize, now: i64, during: Duration) -> Result<Loop> {
    let connection = Connection::open(path)?;
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-4096; PRAGMA wal_autocheckpoint=2000;")?;
    let mut rotate = connection.prepare(ROTATE)?;
    let later = now + 7 * 24 * 3600 * 1_000_000;
    let (started, cpu, mut done) = (Instant::now(), crate::process::cpu(std::process::id())?, 0u32);
    let mut order = (0..sessions.len()).cycle();
    while started.elapsed() < during {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for index in order.by_ref().take(batch) {
            let session = &mut sessions[index];
            let mut rows = rotate.query(params![session.id.as_bytes(), session.generation, session.salt, now, later, later])?;
            let row = rows.next()?.context("the row was not rotated")?;
            session.generation = row.get(4)?;
        }
        connection.execute_batch("COMMIT")?;
        done += u32::try_from(batch)?;
    }
    let (took, cpu) = (started.elapsed(), crate::process::cpu(std::process::id())?.saturating_sub(cpu));
    Ok(Loop { rate: f64::from(done) / took.as_secs_f64(), cpu_ms: cpu.as_secs_f64() * 1000.0 / f64::from(done.max(1)) })
}

/// Argon2id at `memory_kib` and `iterations` on `threads` threads, each with its own memory, for as long as `during`.
pub fn hash(threads: usize, memory_kib: u32, iterations: u32, during: Duration) -> Result<Loop> {
    let stop = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let started = Instant::now();
    let cpu = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| hash_until(&stop, &done, memory_kib, iterations))).collect();
        crate::process::pass(during);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().try_fold(Duration::ZERO, |sum, worker| {
            let used = worker.join().map_err(|_| anyhow::anyhow!("a hashing thread panicked"))??;
            anyhow::Ok(sum + used)
        })
    })?;
    let done = done.load(Ordering::Relaxed).max(1) as f64;
    Ok(Loop { rate: done / started.elapsed().as_secs_f64(), cpu_ms: cpu.as_secs_f64() * 1000.0 / done })
}

/// The processor time it took.
fn hash_until(stop: &AtomicBool, done: &AtomicU64, memory_kib: u32, iterations: u32) -> Result<Duration> {
    let params = Params::new(memory_kib, iterations, 1, Some(32)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut blocks = vec![Block::new(); params.block_count()];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (salt, mut output) = (*Uuid::max().as_bytes(), [0; 32]);
    while !stop.load(Ordering::Relaxed) {
        argon
            .hash_password_into_with_memory(b"correct horse battery staple", &salt, &mut output, &mut blocks)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    crate::process::cpu_of_thread()
}
