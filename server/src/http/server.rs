//! Listens, accepts, and stops without failing anyone.
//!
//! Stopping has four steps: say 503 on readiness and ask clients to reconnect elsewhere; after the
//! drain delay take what already waits in the backlog and close the listener; let every connection
//! finish what it began; and at the end of the grace period cut what is left.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection::{Closing, Protocol, serve_connection};
use super::gate::Gate;
use super::health::Readiness;
use crate::config;

/// How long data that a client does not take may wait before its connection is cut.
const STALLED_CLIENT: Duration = Duration::from_secs(30);

/// How long to wait when the system has no file descriptor for another connection.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

/// How a listener behaves.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// How long a connection may take over one request's head; also how long it may idle between two.
    pub header_timeout: Duration,
    /// Connections at the same time; more wait in the kernel's backlog.
    pub max_connections: usize,
    /// How long requests in flight may take to finish after the listener closed.
    pub shutdown_grace: Duration,
    /// How long to go on accepting after readiness turned 503, so that load balancers notice first.
    pub drain_delay: Duration,
}

impl ServerSettings {
    /// What the configuration says; no drain delay.
    pub fn new(server: &config::Server) -> Self {
        Self {
            header_timeout: server.header_timeout,
            max_connections: server.max_connections,
            shutdown_grace: server.shutdown_grace,
            drain_delay: Duration::ZERO,
        }
    }

    /// Goes on accepting for `delay` after the stop signal.
    #[must_use]
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.drain_delay = delay;
        self
    }
}

/// Binds `address` with a deep backlog, ready for [`serve`]. A port that was just freed can be bound again.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

/// Serves until `stop`, then drains. Returns how many connections had to be cut at the end of the grace period.
pub async fn serve(listener: TcpListener, gate: Gate, settings: ServerSettings, readiness: Readiness, stop: CancellationToken) -> usize {
    let mut server = Server {
        gate,
        protocol: Arc::new(Protocol::new(settings.header_timeout)),
        closing: Closing::default(),
        permits: Arc::new(Semaphore::new(settings.max_connections.max(1))),
        connections: JoinSet::new(),
    };
    server.accept_until(&listener, stop.cancelled()).await;
    readiness.drain();
    server.gate.start_draining();
    server.accept_until(&listener, tokio::time::sleep(settings.drain_delay)).await;
    server.empty_backlog(listener);
    server.closing.start();
    server.finish(settings.shutdown_grace).await
}

struct Server {
    gate: Gate,
    protocol: Arc<Protocol>,
    closing: Closing,
    permits: Arc<Semaphore>,
    connections: JoinSet<()>,
}

impl Server {
    async fn accept_until(&mut self, listener: &TcpListener, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        loop {
            let permits = Arc::clone(&self.permits);
            let accept = async {
                // The semaphore is never closed.
                let permit = permits.acquire_owned().await.ok();
                (listener.accept().await, permit)
            };
            tokio::select! {
                biased;
                () = &mut end => return,
                Some(_) = self.connections.join_next() => {}
                (accepted, permit) = accept => match accepted {
                    Ok((stream, peer)) => self.start(stream, peer, permit),
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        tracing::error!(%error, "cannot accept connections");
                        tokio::time::sleep(OUT_OF_SOCKETS).await;
                    }
                },
            }
        }
    }

    /// Whoever completed the handshake before we closed has been promised an answer.
    fn empty_backlog(&mut self, listener: TcpListener) {
        // The non-blocking standard listener asks the kernel itself; tokio's would ask its own notes.
        let Ok(listener) = listener.into_std() else { return };
        while let Ok((stream, peer)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.start(stream, peer, None);
            }
        }
    }

    fn start(&mut self, stream: TcpStream, peer: SocketAddr, permit: Option<tokio::sync::OwnedSemaphorePermit>) {
        // Neither is worth refusing a connection for.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(STALLED_CLIENT));
        let (gate, protocol, closing) = (self.gate.clone(), Arc::clone(&self.protocol), self.closing.clone());
        self.connections.spawn(async move {
            serve_connection(stream, peer.ip(), gate, &protocol, &closing).await;
            drop(permit);
        });
    }

    async fn finish(mut self, grace: Duration) -> usize {
        let all = async { while self.connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_ok() {
            return 0;
        }
        let cut = self.connections.len();
        tracing::warn!(connections = cut, "the grace period is over; cutting connections that are still busy");
        self.connections.shutdown().await;
        cut
    }
}

/// Errors that accept(2) reports for a connection that is gone already, not for the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused)
}
