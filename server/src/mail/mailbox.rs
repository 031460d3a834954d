//! The development mailbox: mail that is not sent, kept sealed in the database so that every instance shows it.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::render::Rendered;
use super::store::{self, Kept};
use crate::db::{Db, DbError};
use crate::secret::{Purpose, RootKeys};
use crate::time::Timestamp;

/// How many mails are kept.
pub const KEPT: u32 = 500;

/// One mail as the mailbox shows it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// The job that sent it; the address of its HTML, not part of the JSON.
    #[serde(skip)]
    pub id: Uuid,
    /// The recipient.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// When it was delivered.
    pub at: Timestamp,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("id", &self.id).field("at", &self.at).finish_non_exhaustive()
    }
}

/// What is sealed in a row.
#[derive(Serialize, Deserialize)]
struct Content {
    to: String,
    subject: String,
    text: String,
    html: String,
}

/// The mailbox of an installation in development; clones share it.
#[derive(Clone)]
pub struct Mailbox {
    db: Db,
    roots: RootKeys,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox")
    }
}

impl Mailbox {
    /// The mailbox in `db`, sealed under `roots`.
    pub fn new(db: Db, roots: RootKeys) -> Self {
        Self { db, roots }
    }

    pub(super) async fn keep(&self, job: Uuid, to: &str, letter: &Rendered, now: Timestamp) -> Result<(), DbError> {
        let Rendered { subject, text, html } = letter.clone();
        let content = Content { to: to.to_owned(), subject, text, html };
        let plain = serde_json::to_vec(&content).map_err(|_| DbError::Other("a mail is not JSON".into()))?;
        let sealed = self.roots.seal(Purpose::System, &seal_context(job), &plain);
        self.db.write(async move |tx| store::keep(tx, job, now, sealed.clone(), KEPT).await).await
    }

    /// Every mail, newest first.
    pub async fn list(&self) -> Result<Vec<Mail>, DbError> {
        Ok(store::list(&self.db, KEPT).await?.into_iter().filter_map(|kept| self.open(kept)).collect())
    }

    /// The mail with this id.
    pub async fn get(&self, id: Uuid) -> Result<Option<Mail>, DbError> {
        Ok(store::one(&self.db, id).await?.and_then(|kept| self.open(kept)))
    }

    /// Mail sealed under a key that is gone, or in a shape of another version, is not shown: it is only development mail.
    fn open(&self, kept: Kept) -> Option<Mail> {
        let plain = self.roots.open(Purpose::System, &seal_context(kept.id), &kept.sealed).ok()?;
        let Content { to, subject, text, html } = serde_json::from_slice(&plain).ok()?;
        Some(Mail { id: kept.id, to, subject, text, html, at: kept.at })
    }
}

fn seal_context(id: Uuid) -> Vec<u8> {
    [b"dev_mail".as_slice(), id.as_bytes()].concat()
}
