//! A wire to PostgreSQL that can be cut, can fall silent, and can lose the answer to a chosen statement.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Connections are closed, and new ones at once.
    Cut,
    /// Connections stay, and nothing comes through.
    Silent,
}

/// Of which statement the answer is to be lost.
#[derive(Clone, Copy)]
enum Losing {
    /// Of the next one with this text.
    To(&'static str),
    /// Of the COMMIT of the next transaction with a statement with this text, which its connection parses for the first time.
    CommitAfter(&'static str),
}

pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    losing: Arc<Mutex<Option<Losing>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// To the server of `url`.
    pub async fn to(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, watched) = watch::channel(State::Open);
        let losing = Arc::new(Mutex::new(None));
        let lost = losing.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(wire(client, server.clone(), watched.clone(), lost.clone()));
            }
        });
        Self { address, state, losing, accepting }
    }

    /// `url` by way of this wire.
    pub fn through(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    pub fn open(&self) {
        self.state.send_replace(State::Open);
    }

    /// The next statement with `text` in it is carried out, but nobody hears of it: its connection ends instead.
    pub fn lose_answer_to(&self, text: &'static str) {
        *self.losing.lock().unwrap() = Some(Losing::To(text));
    }

    /// The next transaction with a statement that has `text` in it is committed, but nobody hears of it: its connection ends instead. It
    /// has to be the first one with this statement on its connection.
    pub fn lose_commit_after(&self, text: &'static str) {
        *self.losing.lock().unwrap() = Some(Losing::CommitAfter(text));
    }

    /// The answer was lost.
    pub fn has_lost(&self) -> bool {
        self.losing.lock().unwrap().is_none()
    }
}

async fn wire(mut client: TcpStream, server: (String, u16), mut state: watch::Receiver<State>, losing: Arc<Mutex<Option<Losing>>>) {
    if *state.borrow() == State::Cut {
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (mut asked, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    // The statement was parsed on this wire; what comes next executes it.
    let (mut parsed, mut written) = (false, false);
    loop {
        let open = *state.borrow_and_update() == State::Open;
        tokio::select! {
            changed = state.changed() => {
                if changed.is_err() || *state.borrow() == State::Cut {
                    return;
                }
            }
            read = client.read(&mut asked), if open => {
                let Ok(count @ 1..) = read else { return };
                if server.write_all(&asked[..count]).await.is_err() {
                    return;
                }
                if parsed || written && contains(&asked[..count], "COMMIT") {
                    let _ = server.read(&mut answered).await;
                    losing.lock().unwrap().take();
                    return;
                }
                let losing = *losing.lock().unwrap();
                match losing {
                    Some(Losing::To(text)) => parsed = contains(&asked[..count], text),
                    Some(Losing::CommitAfter(text)) => written |= contains(&asked[..count], text),
                    None => parsed = false,
                }
            }
            read = server.read(&mut answered), if open => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}
