//! The mailer: renders a letter and hands it to SMTP or to the development mailbox.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lettre::message::Mailbox as Sender;
use metrics::counter;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

use super::letter::Letter;
use super::mailbox::Mailbox;
use super::message;
use super::render::{Branding, Rendered, Templates};
use super::smtp::{Failure, Smtp};
use crate::jobs::JobError;
use crate::time::{Clock, Timestamp};

/// Why a mailer cannot be made. Never quotes the URL, which holds a password.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// `SMTP_URL` is not one.
    #[error("SMTP_URL is not usable: write smtp://user:password@host:587?tls=required or smtps://user:password@host:465")]
    Url,
    /// `MAIL_FROM` is not an address.
    #[error("MAIL_FROM is not an address: write Name <name@example.com>")]
    From,
    /// The embedded templates do not compile; a defect of this build.
    #[error("a mail template is broken: {0}")]
    Template(#[from] minijinja::Error),
}

/// Sends letters; clones share the connections.
#[derive(Clone)]
pub struct Mailer(Arc<Inner>);

struct Inner {
    from: Sender,
    way: Way,
    templates: Templates,
    clock: Clock,
    /// The last delivery: twice its microseconds, plus one when the server was reached.
    last: AtomicI64,
}

enum Way {
    Smtp(Smtp),
    Development(Mailbox),
}

/// Whether mail leaves, from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `smtp` or `mailbox`.
    pub transport: &'static str,
    /// The last delivery found the server, or there was none yet.
    pub healthy: bool,
    /// How the last delivery went; `None` when there was none since the start.
    pub last: Option<LastDelivery>,
}

/// The last delivery of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LastDelivery {
    /// The server answered (it may still have refused the letter).
    pub reached: bool,
    /// When.
    pub at: Timestamp,
}

const NEVER: i64 = i64::MIN;

impl Mailer {
    /// Mail through the SMTP server at `url`: `smtp://user:pass@host:587?tls=required` or `smtps://…`. `timeout` is
    /// [`super::SMTP_TIMEOUT`] except in tests. Connects at the first letter, not now.
    pub fn smtp(url: &SecretString, from: &str, branding: Branding, clock: Clock, timeout: Duration) -> Result<Self, MailError> {
        let smtp = Smtp::new(url.expose_secret(), timeout)?;
        Self::new(Way::Smtp(smtp), from, branding, clock)
    }

    /// Mail into the development mailbox.
    pub fn development(mailbox: Mailbox, from: &str, branding: Branding, clock: Clock) -> Result<Self, MailError> {
        Self::new(Way::Development(mailbox), from, branding, clock)
    }

    fn new(way: Way, from: &str, branding: Branding, clock: Clock) -> Result<Self, MailError> {
        let from = from.parse().map_err(|_| MailError::From)?;
        Ok(Self(Arc::new(Inner { from, way, templates: Templates::new(branding)?, clock, last: AtomicI64::new(NEVER) })))
    }

    /// Delivers one letter for the job `job`, enqueued at `date`. Repeating it is harmless.
    pub async fn deliver(&self, job: Uuid, date: Timestamp, to: &str, letter: &Letter) -> Result<(), JobError> {
        let template = letter.template();
        let broken = |error: minijinja::Error| JobError::Dead(format!("the template {template} is broken: {:?}", error.kind()));
        let rendered = self.0.templates.render(letter).map_err(broken)?;
        let outcome = self.hand_over(job, date, to, &rendered).await;
        let label = match &outcome {
            Ok(()) => "sent",
            Err(JobError::Retry(_) | JobError::Later { .. }) => "retry",
            Err(JobError::Dead(_)) => "refused",
        };
        counter!("keystead_mail_sent_total", "template" => template, "outcome" => label).increment(1);
        outcome
    }

    async fn hand_over(&self, job: Uuid, date: Timestamp, to: &str, letter: &Rendered) -> Result<(), JobError> {
        let message = message::build(&self.0.from, to, letter, job, date)?;
        let (reached, outcome) = match &self.0.way {
            Way::Smtp(smtp) => match smtp.send(&message).await {
                Ok(()) => (true, Ok(())),
                Err(Failure { reached, error }) => (reached, Err(error)),
            },
            Way::Development(mailbox) => {
                let kept = mailbox.keep(job, to, letter, self.0.clock.now()).await;
                (kept.is_ok(), kept.map_err(JobError::from))
            }
        };
        let last = self.0.clock.now().as_micros().saturating_mul(2) | i64::from(reached);
        self.0.last.store(last, Ordering::Relaxed);
        outcome
    }

    /// Whether mail leaves, as the last delivery saw it. Costs nothing and asks nobody.
    pub fn healthy(&self) -> Health {
        let last = match self.0.last.load(Ordering::Relaxed) {
            NEVER => None,
            last => Some(LastDelivery { reached: last & 1 == 1, at: Timestamp::from_micros(last.div_euclid(2)) }),
        };
        let transport = match self.0.way {
            Way::Smtp(_) => "smtp",
            Way::Development(_) => "mailbox",
        };
        Health { transport, healthy: last.is_none_or(|last| last.reached), last }
    }

    /// The development mailbox, where mail goes without an SMTP server.
    pub fn mailbox(&self) -> Option<Mailbox> {
        match &self.0.way {
            Way::Smtp(_) => None,
            Way::Development(mailbox) => Some(mailbox.clone()),
        }
    }

    /// Ends the connections politely; to be called when the workers have stopped.
    pub async fn close(&self) {
        if let Way::Smtp(smtp) = &self.0.way {
            smtp.close().await;
        }
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailer")
    }
}
