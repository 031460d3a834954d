use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use keystead::http::{Readiness, ServerSettings, bind, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Bench;

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    readiness: Readiness,
    task: JoinHandle<usize>,
}

fn server_settings() -> ServerSettings {
    ServerSettings {
        header_timeout: Duration::from_secs(5),
        max_connections: 1000,
        shutdown_grace: Duration::from_secs(5),
        drain_delay: Duration::ZERO,
    }
}

fn start(router: Router, settings: ServerSettings) -> Running {
    let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let (stop, readiness) = (CancellationToken::new(), Readiness::starting());
    readiness.ready();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(serve(listener, Bench::new(router).gate, settings, readiness.clone(), stop.clone()));
    Running { address, stop, readiness, task }
}

/// Sends raw bytes and reads until the server closes.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    rest(stream).await
}

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route("/post", post(|body: String| async move { body.len().to_string() }))
}

#[tokio::test]
async fn nonsense_gets_400_and_the_server_lives_on() {
    let server = start(hello(), server_settings());
    for nonsense in [
        &b"\x16\x03\x01 TLS where none is spoken\r\n\r\n"[..],
        b"G\x01T / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  / x\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let answer = raw(server.address, nonsense).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer:?} to {:?}", String::from_utf8_lossy(nonsense));
    }
    let many = (0..200).map(|i| format!("x-{i}: 1\r\n")).collect::<String>();
    assert!(raw(server.address, format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()).await.starts_with("HTTP/1.1 431"));
    let huge = format!("GET / HTTP/1.1\r\nconnection: close\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let answer = raw(server.address, huge.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431") && answer.contains("headers_too_large"), "{answer}");
    let answer = raw(server.address, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn slow_heads_and_silent_connections_are_cut_off() {
    let server = start(hello(), ServerSettings { header_timeout: Duration::from_millis(40), ..server_settings() });
    for start in [&b""[..], b"P", b"PR", b"GET / HTTP/1.1\r\nx-slow: "] {
        let began = Instant::now();
        raw(server.address, start).await;
        assert!(began.elapsed() < Duration::from_secs(2), "{start:?}");
    }
    // A first word that comes in two pieces is waited for.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"P").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    stream.write_all(b"OST /post HTTP/1.1\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc").await.unwrap();
    assert!(rest(stream).await.ends_with('3'));
}

/// Preface, empty SETTINGS, and HEADERS of `GET http://x/` on stream 1 (RFC 9113 sections 3.4 and 4.1, RFC 7541 appendix A).
const HTTP2_GET: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01x";

/// A DATA frame of stream 1 that ends it.
const HTTP2_HELLO: &[u8] = b"\0\0\x05\0\x01\0\0\0\x01hello";

#[tokio::test]
async fn http2_is_spoken_without_tls_and_ends_with_goaway() {
    let server = start(hello(), server_settings());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // In two pieces, for the first may arrive alone.
    stream.write_all(&HTTP2_GET[..2]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    stream.write_all(&HTTP2_GET[2..]).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(HTTP2_HELLO.len()).any(|window| window == HTTP2_HELLO) {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{answer:?}");
    }
    answer.clear();
    server.stop.cancel();
    stream.read_buf(&mut answer).await.unwrap();
    assert!(answer.windows(5).any(|window| window == [0, 0, 8, 7, 0]), "GOAWAY: {answer:?}");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_their_turn() {
    let server = start(hello(), ServerSettings { max_connections: 1, ..server_settings() });
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(request).await.unwrap();
    assert!(first.read(&mut [0; 4096]).await.unwrap() > 0);
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(request).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(40), second.read(&mut [0; 4096])).await;
    assert!(early.is_err(), "it waits");
    drop(first);
    assert!(second.read(&mut [0; 4096]).await.unwrap() > 0);
}

/// A handler that says when it has begun and waits until it may end.
fn held() -> (Router, mpsc::UnboundedReceiver<()>, &'static Semaphore) {
    let (began, begun) = mpsc::unbounded_channel();
    let release: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let handler = move || {
        let began = began.clone();
        async move {
            began.send(()).unwrap();
            let _permit = release.acquire().await.unwrap();
            "done"
        }
    };
    (Router::new().route("/", get(handler)), begun, release)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_with_200_in_flight_fails_nobody() {
    let (router, mut begun, release) = held();
    let server = start(router, server_settings());
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        clients.push(tokio::spawn(rest(stream)));
    }
    for _ in 0..200 {
        begun.recv().await.unwrap();
    }
    // Whoever connected before the stop is served, even if nobody has accepted the connection yet.
    let waiting: Vec<_> = (0..50).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
    server.stop.cancel();
    for stream in waiting {
        stream.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(stream).unwrap();
        stream.write_all(request).await.unwrap();
        clients.push(tokio::spawn(rest(stream)));
    }
    for _ in 0..50 {
        begun.recv().await.unwrap();
    }
    assert!(!server.readiness.is_ready(), "readiness says 503 as soon as it stops");
    release.add_permits(1000);
    for client in clients {
        let answer = client.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(server.task.await.unwrap(), 0, "nothing had to be cut");
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn an_idle_connection_gets_one_more_answer_and_then_closes() {
    let server = start(hello(), server_settings());
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    for stream in [&mut busy, &mut idle] {
        stream.write_all(request).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    }
    server.stop.cancel();
    busy.write_all(request).await.unwrap();
    let answer = rest(busy).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    assert_eq!(rest(idle).await, "");
    assert_eq!(server.task.await.unwrap(), 0);
}

#[tokio::test]
async fn the_drain_delay_keeps_accepting() {
    let server = start(hello(), server_settings().drain_delay(Duration::from_millis(200)));
    server.stop.cancel();
    let began = Instant::now();
    while server.readiness.is_ready() {
        tokio::task::yield_now().await;
    }
    let answer = raw(server.address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    assert_eq!(server.task.await.unwrap(), 0);
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn the_grace_period_ends() {
    let (router, mut begun, _release) = held();
    let server = start(router, ServerSettings { shutdown_grace: Duration::from_millis(50), ..server_settings() });
    let client = tokio::spawn(raw(server.address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    begun.recv().await.unwrap();
    server.stop.cancel();
    assert_eq!(server.task.await.unwrap(), 1, "one connection was cut");
    assert_eq!(client.await.unwrap(), "");
}
