//! A scripted SMTP server: accepts, refuses or falls silent, and keeps the bytes it was given.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with the next letter; `Accept` when nothing is scripted.
#[derive(Clone, Copy)]
pub enum Step {
    Accept,
    /// Answers MAIL FROM with this line.
    AtSender(&'static str),
    /// Answers RCPT TO with this line.
    AtRecipient(&'static str),
    /// Takes the letter and answers with this line.
    AfterLetter(&'static str),
    /// Takes the letter and never answers.
    Silence,
}

#[derive(Clone)]
pub struct Sink {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Step>,
    connections: usize,
    /// Everything between DATA and the final dot, as it came over the wire.
    letters: Vec<String>,
    recipients: Vec<String>,
}

impl Sink {
    pub async fn start(script: &[Step]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State { script: script.iter().copied().collect(), ..State::default() };
        let sink = Self { url: format!("smtp://{}", listener.local_addr().unwrap()), state: Arc::new(Mutex::new(state)) };
        let serving = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.state.lock().unwrap().connections += 1;
                let sink = serving.clone();
                tokio::spawn(async move { sink.serve(stream).await.ok() });
            }
        });
        sink
    }

    pub fn url(&self) -> SecretString {
        self.url.clone().into()
    }

    /// Where it listens, as `SMTP_URL` says it.
    pub fn smtp(&self) -> &str {
        &self.url
    }

    /// What to do with the letter after those scripted already.
    pub fn next(&self, step: Step) {
        self.state.lock().unwrap().script.push_back(step);
    }

    pub fn letters(&self) -> Vec<String> {
        self.state.lock().unwrap().letters.clone()
    }

    pub fn recipients(&self) -> Vec<String> {
        self.state.lock().unwrap().recipients.clone()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    async fn serve(self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 sink ESMTP\r\n").await?;
        let mut step = Step::Accept;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let verb = line.trim_end().to_ascii_uppercase();
            let answer = match (verb.get(..4).unwrap_or(&verb), step) {
                ("EHLO", _) => "250-sink\r\n250 8BITMIME",
                ("MAIL", _) => {
                    step = self.state.lock().unwrap().script.pop_front().unwrap_or(Step::Accept);
                    if let Step::AtSender(answer) = step { answer } else { "250 2.1.0 ok" }
                }
                ("RCPT", Step::AtRecipient(answer)) => answer,
                ("RCPT", _) => {
                    self.state.lock().unwrap().recipients.push(line.trim_end().to_owned());
                    "250 2.1.5 ok"
                }
                ("DATA", _) => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let letter = read_letter(&mut stream).await?;
                    self.state.lock().unwrap().letters.push(letter);
                    match step {
                        Step::Silence => std::future::pending().await,
                        Step::AfterLetter(answer) => answer,
                        _ => "250 2.0.0 taken",
                    }
                }
                ("QUIT", _) => "221 2.0.0 bye",
                _ => "250 2.0.0 ok",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }
}

async fn read_letter(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut letter = String::new();
    loop {
        let before = letter.len();
        if stream.read_line(&mut letter).await? == 0 || &letter[before..] == ".\r\n" {
            letter.truncate(before);
            return Ok(letter);
        }
    }
}
