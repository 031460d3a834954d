//! A line to a store that a test can cut.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the line does with what is put on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Carries it.
    Up,
    /// Every connection breaks, and new ones are refused.
    Cut,
    /// Connections stay open and nothing gets through, as behind a firewall that drops.
    Silent,
}

/// Stands between an instance and PostgreSQL or Redis. Ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    line: Arc<watch::Sender<Line>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A line to the server that `url` names.
    pub async fn to(url: &str) -> Self {
        let url = url::Url::parse(url).expect("the URL of a store");
        let target = format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let line = Arc::new(watch::Sender::new(Line::Up));
        let accepting = tokio::spawn(accept(listener, target, Arc::clone(&line)));
        Self { address, line, accepting }
    }

    /// `url` by way of this line.
    pub fn url(&self, url: &str) -> String {
        let mut through = url::Url::parse(url).expect("the URL of a store");
        through.set_host(Some("127.0.0.1")).expect("a host");
        through.set_port(Some(self.address.port())).expect("a port");
        through.into()
    }

    /// Breaks every connection and refuses new ones.
    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    /// Keeps every connection and lets nothing through.
    pub fn silence(&self) {
        self.line.send_replace(Line::Silent);
    }

    /// Carries again.
    pub fn mend(&self) {
        self.line.send_replace(Line::Up);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.line.send_replace(Line::Cut);
    }
}

async fn accept(listener: TcpListener, target: String, line: Arc<watch::Sender<Line>>) {
    while let Ok((client, _)) = listener.accept().await {
        if *line.borrow() == Line::Cut {
            continue;
        }
        tokio::spawn(carry(client, target.clone(), line.subscribe()));
    }
}

/// Dropping the copy breaks both ends; not polling it keeps them and says nothing.
async fn carry(mut client: TcpStream, target: String, mut line: watch::Receiver<Line>) {
    let Ok(mut server) = TcpStream::connect(&target).await else { return };
    let mut copying = std::pin::pin!(copy_bidirectional(&mut client, &mut server));
    loop {
        let state = *line.borrow_and_update();
        tokio::select! {
            _ = &mut copying, if state == Line::Up => return,
            changed = line.changed() => if changed.is_err() || *line.borrow() == Line::Cut { return },
        }
    }
}
