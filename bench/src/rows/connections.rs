//! Realtime connections: what an idle one costs, and how soon everybody in a channel knows who came.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::process;
use crate::server::{Server, Site};
use crate::table::{Row, count};
use crate::tokens::Samples;

const IDLE: usize = 10_000;
const IDLE_KIB: f64 = 25.0;
const MEMBERS: usize = 1_000;
const ROUNDS: usize = 20;
const BROADCAST: Duration = Duration::from_millis(200);
/// Connections that are opened at the same time.
const AT_ONCE: usize = 50;

/// The lines.
pub async fn rows(site: &Site, samples: &Samples) -> Result<Vec<Row>> {
    let site =
        ["USER", "ADDRESS"].iter().fold(site.clone(), |site, of| site.with(&format!("KEYSTEAD_PRESENCE__CONNECTIONS_PER_{of}"), "1000000"));
    let server = Server::start(&site)?;
    // What a start and the first requests need is no cost of a connection.
    let warm = crowd(server.addr, samples, AT_ONCE).await?;
    drop(warm);
    process::pass(Duration::from_secs(2));
    let before = process::memory(server.pid())?.resident;
    let idle = crowd(server.addr, samples, IDLE).await?;
    process::pass(Duration::from_secs(2));
    let open = server.metric("keystead_realtime_connections")?;
    let each = process::memory(server.pid())?.resident.saturating_sub(before) as f64 / IDLE as f64 / 1024.0;
    ensure!(open >= IDLE as f64, "only {open} connections are open");
    drop(idle);
    process::pass(Duration::from_secs(1));

    let late = broadcast(server.addr, samples).await?;
    server.stop()?;
    let target = BROADCAST.as_secs_f64() * 1000.0;
    Ok(vec![
        Row {
            name: format!("Resident memory for each of {} idle realtime connections", count(IDLE as f64)),
            ours: format!("{each:.1} KiB"),
            baseline: String::new(),
            ratio: None,
            target: format!("≤ {IDLE_KIB:.0} KiB"),
            met: each <= IDLE_KIB,
            cpu_ms: None,
        },
        Row {
            name: format!("A join is known to {} members, p99", count(MEMBERS as f64)),
            ours: format!("{late:.0} ms"),
            baseline: String::new(),
            ratio: None,
            target: format!("< {target:.0} ms"),
            met: late < target,
            cpu_ms: None,
        },
    ])
}

/// Milliseconds from a join to when 99 of 100 members were told, over some rounds.
async fn broadcast(addr: SocketAddr, samples: &Samples) -> Result<f64> {
    let members = crowd(addr, samples, MEMBERS).await?;
    let (told, mut heard) = mpsc::unbounded_channel();
    for mut member in members {
        member.send(r#"{"type":"join","channel":"room:stage"}"#).await?;
        let told = told.clone();
        tokio::spawn(async move {
            while let Ok(frame) = member.read().await {
                if frame.contains("\"diff\"") && frame.contains("\"round\"") && told.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
    }
    process::pass(Duration::from_secs(2));
    let mut took = Vec::with_capacity(MEMBERS * ROUNDS);
    for round in 0..ROUNDS {
        let mut newcomer = Socket::open(addr, &samples.access[MEMBERS + round]).await?;
        let joined = Instant::now();
        newcomer.send(r#"{"type":"join","channel":"room:stage","payload":{"metadata":{"round":true}}}"#).await?;
        for _ in 0..MEMBERS {
            let at = tokio::time::timeout(Duration::from_secs(5), heard.recv()).await.context("a member was not told")?;
            took.push(at.context("the members are gone")?.duration_since(joined).as_secs_f64() * 1000.0);
        }
        // Nobody is told of this with the word that is waited for.
        newcomer.send(r#"{"type":"join","channel":"room:stage"}"#).await?;
        process::pass(Duration::from_millis(200));
        drop(newcomer);
    }
    took.sort_by(f64::total_cmp);
    took.get(took.len() * 99 / 100).copied().context("nothing was measured")
}

/// Opens many connections, each of another person as far as there are people.
async fn crowd(addr: SocketAddr, samples: &Samples, size: usize) -> Result<Vec<Socket>> {
    let mut open = Vec::with_capacity(size);
    while open.len() < size {
        let next = (open.len()..size.min(open.len() + AT_ONCE)).map(|n| Socket::open(addr, &samples.access[n % samples.access.len()]));
        open.extend(futures_util::future::try_join_all(next).await?);
    }
    Ok(open)
}

/// As little of a WebSocket client as will do.
struct Socket {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Socket {
    async fn open(addr: SocketAddr, token: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(addr).await?;
        let head = format!(
            "GET /api/v1/realtime HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: keystead.v1\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut socket = Self { stream, unread: Vec::new() };
        let end = loop {
            if let Some(at) = socket.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            socket.more().await?;
        };
        ensure!(socket.unread.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&socket.unread));
        socket.unread.drain(..end);
        ensure!(socket.read().await?.contains("\"hello\""), "the server does not say hello");
        Ok(socket)
    }

    /// The next frame's text.
    async fn read(&mut self) -> Result<String> {
        loop {
            if let Some((start, length)) = frame(&self.unread).filter(|(start, length)| self.unread.len() >= start + length) {
                let text = String::from_utf8_lossy(&self.unread[start..start + length]).into_owned();
                self.unread.drain(..start + length);
                return Ok(text);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<()> {
        let mut bytes = [0; 4096];
        let read = self.stream.read(&mut bytes).await?;
        ensure!(read > 0, "the server closed the connection");
        self.unread.extend_from_slice(&bytes[..read]);
        Ok(())
    }

    /// Sends a text frame of less than 126 bytes, under the mask of zeros.
    async fn send(&mut self, text: &str) -> Result<()> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).context("a short text")?;
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        self.stream.write_all(&frame).await.map_err(Into::into)
    }
}

/// Where the payload of a server's frame begins and how long it is (RFC 6455 section 5.2).
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        126 => Some((4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)))),
        127 => Some((10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?)),
        short => Some((2, usize::from(short))),
    }
}
