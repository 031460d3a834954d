//! INTERFACE SKETCH of mail (bodies to be written by the owner of this folder).
#![allow(missing_docs, unused, clippy::todo)]

use crate::db::{DbError, Tx};
use crate::jobs::{Claimed, JobError, Jobs, Kind};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Every mail Keystead sends, with what its template needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Letter {
    /// The 6-digit code that proves the address.
    VerifyEmail {
        name: String,
        code: String,
        minutes: u64,
    },
    /// Somebody signed up with an address that has an account already.
    AlreadyRegistered {
        name: String,
        sign_in_url: String,
        reset_url: String,
    },
    ResetPassword {
        name: String,
        link: String,
        minutes: u64,
    },
    PasswordChanged {
        name: String,
    },
    AccountLocked {
        name: String,
        minutes: u64,
        reset_url: String,
    },
    /// A rotated refresh token was presented again: the session was ended.
    SessionReplayed {
        name: String,
        device: String,
        at: String,
    },
    AccountDeleted {
        name: String,
        erases_at: String,
    },
}
/// The job that sends one letter.
pub const SEND: Kind = Kind { name: "mail.send", max_attempts: 12, lease: std::time::Duration::from_secs(60) };

/// Enqueues a letter to `to` in the caller's transaction.
pub async fn post(tx: &mut Tx, jobs: &Jobs, to: &str, letter: Letter, now: Timestamp) -> Result<uuid::Uuid, DbError> {
    todo!()
}
