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

pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    losing: Arc<Mutex<Option<&'static str>>>,
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
        *self.losing.lock().unwrap() = Some(text);
    }

    /// The answer was lost.
    pub fn has_lost(&self) -> bool {
        self.losing.lock().unwrap().is_none()
    }
}

async fn wire(mut client: TcpStream, server: (String, u16), mut state: watch::Receiver<State>, losing: Arc<Mutex<Option<&'static str>>>) {
    if *state.borrow() == State::Cut {
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (mut asked, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    // The statement was parsed on this wire; what comes next executes it.
    let mut parsed = false;
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
                if parsed {
                    let _ = server.read(&mut answered).await;
                    losing.lock().unwrap().take();
                    return;
                }
                parsed = losing.lock().unwrap().is_some_and(|text| contains(&asked[..count], text));
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
