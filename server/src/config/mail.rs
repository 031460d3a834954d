//! Outgoing mail.

use lettre::message::Mailbox;
use secrecy::SecretString;

use super::fault::{Fault, Wrong, wrong};
use super::values::Values;

/// Sender in development, when none is set.
const DEVELOPMENT_SENDER: &str = "Keystead <no-reply@localhost>";

/// `SMTP_URL` and `MAIL_FROM`.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The SMTP server; in development without one, mail is kept and shown in the mailbox page.
    pub smtp_url: Option<SecretString>,
    /// Sender of all mail, as `Name <address>`.
    pub from: String,
}

impl Mail {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        let from = values.optional("mail.from", mailbox)?.unwrap_or_else(|| DEVELOPMENT_SENDER.to_owned());
        Ok(Self { smtp_url: values.secret("mail.smtp_url")?, from })
    }
}

/// `Name <address>` or an address alone; kept as written.
pub(super) fn mailbox(text: &str) -> Result<String, Wrong> {
    match text.trim().parse::<Mailbox>() {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(_) => wrong("is not a mail address", "use `Keystead <no-reply@example.com>` or the address alone"),
    }
}
