//! The letter as an Internet message (RFC 5322): the same bytes for every attempt of the same job.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox as Sender, MultiPart, SinglePart};
use lettre::{Address, Message};
use uuid::Uuid;

use super::render::Rendered;
use crate::jobs::JobError;
use crate::time::Timestamp;

/// `Auto-Submitted: auto-generated` (RFC 3834 section 5): no holiday answers, please.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

/// The message of job `job`. Message-ID, date and boundary come from the job, so that a repeat after a lost
/// answer is the same message and mail systems that drop duplicates can.
pub(super) fn build(from: &Sender, to: &str, letter: &Rendered, job: Uuid, date: Timestamp) -> Result<Message, JobError> {
    // The error would quote the address.
    let to: Address = to.parse().map_err(|_| JobError::Dead("the recipient's address is not one that SMTP can carry".into()))?;
    let since_epoch = Duration::from_micros(u64::try_from(date.as_micros()).unwrap_or(0));
    let body = MultiPart::alternative()
        .boundary(format!("part-{}", job.simple()))
        .singlepart(SinglePart::plain(letter.text.clone()))
        .singlepart(SinglePart::html(letter.html.clone()));
    Message::builder()
        .from(from.clone())
        .to(Sender::new(None, to))
        .subject(letter.subject.clone())
        .date(UNIX_EPOCH + since_epoch)
        .message_id(Some(format!("<{job}@{}>", from.email.domain())))
        .header(AutoSubmitted)
        .multipart(body)
        .map_err(|_| JobError::Dead("the letter cannot be written as a message".into()))
}
