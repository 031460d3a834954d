//! SMTP: a pool of connections, time limits, and what an answer means for the job.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::{AsyncSmtpTransportBuilder, Error};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::mailer::MailError;
use crate::jobs::JobError;

/// How long connecting may take; a whole delivery may take three times this.
pub const SMTP_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers that blame our set-up and not the letter (RFC 4954 section 6, RFC 7504): the next attempt may find it mended.
const OUR_FAULT: [u16; 5] = [521, 530, 534, 535, 538];

type Transport = AsyncSmtpTransport<Tokio1Executor>;
type Slot = Arc<Mutex<Option<Transport>>>;

/// The server that takes our mail.
pub(super) struct Smtp {
    builder: AsyncSmtpTransportBuilder,
    timeout: Duration,
    /// Built at the first use, because its pool needs the running runtime.
    pool: Slot,
}

/// A delivery that did not happen.
pub(super) struct Failure {
    /// The server answered, so it can be reached.
    pub(super) reached: bool,
    /// Without the words of the server: they quote addresses.
    pub(super) error: JobError,
}

impl Smtp {
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, MailError> {
        // The error of lettre may quote the URL, and with it the password.
        let builder = Transport::from_url(url).map_err(|_| MailError::Url)?.timeout(Some(timeout));
        Ok(Self { builder, timeout, pool: Slot::default() })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<(), Failure> {
        let pool = self.pool();
        let bytes = message.formatted();
        let sending = pool.send_raw(message.envelope(), &bytes);
        tokio::pin!(sending);
        // Declared after `sending`, so dropped before it: see `Unfinished`.
        let mut unfinished = Unfinished(Some(&self.pool));
        match tokio::time::timeout(self.timeout * 3, &mut sending).await {
            Ok(answer) => {
                unfinished.0 = None;
                answer.map(drop).map_err(|error| judge(&error))
            }
            Err(_) => Err(failure(false, "the SMTP server did not answer in time")),
        }
    }

    fn pool(&self) -> Transport {
        lock(&self.pool).get_or_insert_with(|| self.builder.clone().build()).clone()
    }

    /// Says goodbye to the server.
    pub(super) async fn close(&self) {
        let pool = lock(&self.pool).take();
        if let Some(pool) = pool {
            let _ = tokio::time::timeout(Duration::from_secs(1), pool.shutdown()).await;
        }
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        retire(&self.pool);
    }
}

/// Retires the pool when a delivery is broken off by its time limit or by the end of its job. lettre would put
/// such a connection back, and the late answer to the old command would then be read as the answer to the
/// next one: a refused letter could count as sent. No connection of that pool is handed out again.
struct Unfinished<'a>(Option<&'a Slot>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(pool) = self.0 {
            retire(pool);
        }
    }
}

/// lettre's pool starts a task when it is dropped, which panics outside of the runtime; then the process ends anyway.
fn retire(pool: &Slot) {
    let pool = lock(pool).take();
    if tokio::runtime::Handle::try_current().is_err() {
        std::mem::forget(pool);
    }
}

/// A panic while holding the lock leaves a whole value behind: the slot is full or empty.
fn lock(pool: &Slot) -> std::sync::MutexGuard<'_, Option<Transport>> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failure(reached: bool, why: impl Into<String>) -> Failure {
    Failure { reached, error: JobError::Retry(why.into()) }
}

fn judge(error: &Error) -> Failure {
    let Some(code) = error.status() else {
        let why = if error.is_tls() {
            "the TLS connection to the SMTP server failed"
        } else if error.is_client() {
            "the SMTP server does not offer what this needs (STARTTLS, a way to sign in, or SMTPUTF8)"
        } else if error.is_response() {
            "the SMTP server answered something that is not SMTP"
        } else {
            "the SMTP server cannot be reached"
        };
        return failure(error.is_client() || error.is_response(), why);
    };
    let code: u16 = code.to_string().parse().unwrap_or(0);
    let said = enhanced_status(error).map_or_else(|| code.to_string(), |status| format!("{code} {status}"));
    if OUR_FAULT.contains(&code) {
        failure(true, format!("the SMTP server does not accept us: {said}"))
    } else if error.is_permanent() {
        Failure { reached: true, error: JobError::Dead(format!("the SMTP server refused the letter: {said}")) }
    } else {
        failure(true, format!("the SMTP server asks to try later: {said}"))
    }
}

/// The enhanced status code (RFC 3463) at the beginning of the answer; digits and dots, nothing personal.
fn enhanced_status(error: &Error) -> Option<String> {
    let answer = error.source()?.to_string();
    let status = answer.split_whitespace().next()?;
    let parts: Vec<&str> = status.split('.').collect();
    let numbers = parts.iter().all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()));
    (parts.len() == 3 && matches!(parts[0], "2" | "4" | "5") && numbers).then(|| status.to_owned())
}
