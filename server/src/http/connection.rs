//! One connection: which HTTP it speaks, its limits, and how it ends.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::gate::Gate;

/// Room for one request head; hyper answers 431 beyond. The gate's own limit is lower and says more.
const HEAD_BUFFER: usize = 64 * 1024;

/// How long an idle HTTP/1 connection stays open after the stop, for the request that may be on the wire already.
const LINGER: Duration = Duration::from_millis(250);

/// How long to wait before looking again at a first word that has only half arrived.
const HALF_A_WORD: Duration = Duration::from_millis(10);

/// The start of the HTTP/2 connection preface (RFC 9113 section 3.4). No HTTP/1 method begins like it.
const PREFACE: &[u8] = b"PRI ";

/// How HTTP/1.1 and HTTP/2 are spoken here.
pub struct Protocol {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    header_timeout: Duration,
}

impl Protocol {
    /// Clients get `header_timeout` for each request head.
    pub fn new(header_timeout: Duration) -> Self {
        let mut http1 = http1::Builder::new();
        // Without `pipeline_flush`: it keeps back the 400 to a malformed head (hyper 1.12).
        http1.timer(TokioTimer::new()).header_read_timeout(header_timeout).max_buf_size(HEAD_BUFFER);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .max_concurrent_streams(200)
            .max_header_list_size(32 * 1024);
        Self { http1, http2, header_timeout }
    }
}

/// The word that goes to all connections when the server stops.
#[derive(Clone, Default)]
pub struct Closing {
    flag: Arc<AtomicBool>,
    token: CancellationToken,
}

impl Closing {
    /// Tells every connection to finish.
    pub fn start(&self) {
        self.flag.store(true, Ordering::Release);
        self.token.cancel();
    }
}

/// Serves one connection to its end.
pub async fn serve_connection(stream: TcpStream, peer: IpAddr, gate: Gate, protocol: &Protocol, closing: &Closing) {
    let Some(is_http2) = first_word(&stream, protocol.header_timeout, closing).await else { return };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let gate = gate.clone();
        async move { Ok::<_, Infallible>(gate.handle(request, peer).await) }
    });
    let io = TokioIo::new(stream);
    if is_http2 {
        // GOAWAY tells the client which streams will be answered, so nothing has to linger.
        drive(protocol.http2.serve_connection(io, service), Duration::ZERO, closing, http2::Connection::graceful_shutdown).await;
    } else {
        let connection = protocol.http1.serve_connection(io, service).with_upgrades();
        drive(connection, LINGER, closing, http1::UpgradeableConnection::graceful_shutdown).await;
    }
}

/// Waits for the first bytes and tells HTTP/2 from HTTP/1; `None` when none come in time.
async fn first_word(stream: &TcpStream, within: Duration, closing: &Closing) -> Option<bool> {
    let look = async {
        loop {
            let mut start = [0; PREFACE.len()];
            let seen = stream.peek(&mut start).await.ok().filter(|seen| *seen > 0)?;
            if !PREFACE.starts_with(&start[..seen]) {
                return Some(false);
            }
            if seen == PREFACE.len() {
                return Some(true);
            }
            tokio::time::sleep(HALF_A_WORD).await;
        }
    };
    let stopped = async {
        closing.token.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        biased;
        word = tokio::time::timeout(within, look) => word.ok().flatten(),
        () = stopped => None,
    }
}

/// Polls the connection to its end; once the server is closing, lingers and then asks it to finish.
///
/// The closing token is polled until it has our waker and not again before the flag is up: polling it on every
/// wake would take a lock that all connections share.
async fn drive<C: Future>(connection: C, linger: Duration, closing: &Closing, finish: impl Fn(Pin<&mut C>)) {
    let mut connection = pin!(connection);
    let mut closed = pin!(closing.token.cancelled());
    let mut listening = false;
    let ended = std::future::poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        if !listening {
            listening = true;
            return closed.as_mut().poll(cx).map(|()| false);
        }
        if closing.flag.load(Ordering::Acquire) { Poll::Ready(false) } else { Poll::Pending }
    })
    .await;
    // Errors end here: they are the client's (reset, malformed, too slow), and hyper has answered what can be answered.
    if ended || tokio::time::timeout(linger, connection.as_mut()).await.is_ok() {
        return;
    }
    finish(connection.as_mut());
    connection.await;
}
