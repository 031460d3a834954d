//! Mail: what Keystead writes to people, and the two ways it leaves.
//!
//! A slice calls [`post`] in its transaction; that enqueues a `mail.send` job with a [`Letter`] and the
//! address, sealed. The job's handler renders the letter (text and HTML from `templates/`) and gives it
//! to the [`Mailer`]: SMTP, or in development a [`Mailbox`] in the database with a page to read it.
//! A repeated job sends the same bytes under the same Message-ID and shows one mail in the mailbox.
//!
//! No address, name, code or link is ever logged, kept in an error or in the clear in a table.
//! This folder owns the table `dev_mail`. The templates are plain HTML tables with inline styles:
//! eight short letters in one layout do not need MJML and its compiler.

mod letter;
mod mailbox;
mod mailer;
mod message;
mod page;
mod render;
mod routes;
mod smtp;
mod store;
mod wording;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::{DbError, Tx};
use crate::jobs::{Claimed, Handler, Jobs, Kind, handler};
use crate::time::Timestamp;

pub use letter::Letter;
pub use mailbox::{KEPT, Mail, Mailbox};
pub use mailer::{Health, LastDelivery, MailError, Mailer};
pub use page::{MAILBOX_CSS, render_page};
pub use render::{Branding, Rendered, Templates};
pub use routes::routes;
pub use smtp::SMTP_TIMEOUT;
pub use store::STATEMENTS;

/// The job that sends one letter: twelve attempts reach over about half an hour of an unreachable server.
pub const SEND: Kind = Kind { name: "mail.send", max_attempts: 12, lease: std::time::Duration::from_secs(60), at_once: None, buried: None };

/// A letter and where it goes: the payload of a [`SEND`] job.
#[derive(Serialize, Deserialize)]
struct Envelope {
    to: String,
    letter: Letter,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("letter", &self.letter).finish_non_exhaustive()
    }
}

/// Enqueues a letter to `to` in the caller's transaction; it leaves after the commit. Returns the id of the job.
pub async fn post(tx: &mut Tx, jobs: &Jobs, to: &str, letter: Letter, now: Timestamp) -> Result<Uuid, DbError> {
    jobs.enqueue(tx, SEND, &Envelope { to: to.to_owned(), letter }, now).await
}

/// The handlers of this folder, for the table of contents.
pub fn handlers(mailer: Mailer) -> Vec<(Kind, Handler)> {
    let send = handler(move |job: Claimed| {
        let mailer = mailer.clone();
        async move {
            let Envelope { to, letter } = job.read()?;
            mailer.deliver(job.id, job.enqueued_at, &to, &letter).await
        }
    });
    vec![(SEND, send)]
}
