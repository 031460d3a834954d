//! A line of its own to PostgreSQL, over which processes tell each other things (LISTEN and NOTIFY).
//!
//! It is no part of the pool: a session that listens has to stay. A message is lost when nobody listens, and a line that breaks
//! is made anew by whoever holds it; so nothing may depend on a message.

use std::future::poll_fn;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::DbError;
use super::postgres::tls;
use super::target::is_local;

/// Messages that may wait for the reader; more are lost.
const WAITING: usize = 4096;
/// The longest payload that PostgreSQL carries, in bytes.
pub const LONGEST: usize = 7_999;

/// Where lines can be had.
#[derive(Clone)]
pub struct Exchange {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

/// An open line.
pub struct Line {
    client: Client,
    channel: &'static str,
    heard: mpsc::Receiver<String>,
}

impl Exchange {
    /// To the server of `config`.
    pub(super) fn new(mut config: Config, root_certificate: Option<&str>) -> Result<Self, DbError> {
        config.application_name("keystead messages");
        let plain = config.get_ssl_mode() == SslMode::Disable || (config.get_ssl_mode() == SslMode::Prefer && is_local(&config));
        let tls = if plain { None } else { Some(tls(root_certificate)?) };
        Ok(Self { config, tls })
    }

    /// Opens a line that hears everything that is sent to `channel`, which is a plain word, by anybody on this database; what
    /// it sends itself as well.
    ///
    /// # Errors
    /// The server cannot be reached, or does not know how to listen.
    pub async fn open(&self, channel: &'static str) -> Result<Line, DbError> {
        let (hears, heard) = mpsc::channel(WAITING);
        let client = match &self.tls {
            Some(tls) => self.connect(tls.clone(), hears).await?,
            None => self.connect(NoTls, hears).await?,
        };
        client.batch_execute(&format!("LISTEN {channel}")).await?;
        Ok(Line { client, channel, heard })
    }

    async fn connect<T>(&self, tls: T, hears: mpsc::Sender<String>) -> Result<Client, DbError>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, connection) = self.config.connect(tls).await?;
        // Ends with the client, or with the connection.
        tokio::spawn(drive(connection, hears));
        Ok(client)
    }
}

impl Line {
    /// Sends each of `payloads`, at most [`LONGEST`] bytes of text, in order and at once.
    ///
    /// # Errors
    /// The line is broken; some may have been sent.
    pub async fn send(&self, payloads: &[String]) -> Result<(), DbError> {
        let send = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) WITH ORDINALITY AS sent (payload, place) ORDER BY place";
        self.client.execute(send, &[&self.channel, &payloads]).await.map(drop).map_err(Into::into)
    }

    /// The next message; `None` when the line is broken.
    pub async fn hear(&mut self) -> Option<String> {
        self.heard.recv().await
    }
}

async fn drive<S, T>(mut connection: Connection<S, T>, hears: mpsc::Sender<String>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
        if let AsyncMessage::Notification(said) = message
            && hears.try_send(said.payload().to_owned()).is_err()
        {
            // Never waits: the line must go on answering whoever reads too slowly.
            metrics::counter!("keystead_fanout_dropped_total").increment(1);
        }
    }
}
