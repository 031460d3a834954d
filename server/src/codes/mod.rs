//! One-time codes and links: made, mailed, used once.
//!
//! Only a keyed hash is stored, so a stolen database yields no code. Using one is a conditional UPDATE: of
//! many callers exactly one wins. A short code is looked up through its person and every wrong guess costs
//! each open code of that person a try; a link's secret is long enough to be looked up by itself.
//! A code may carry a payload: what it puts in force when it is used.
//!
//! Owns the table `codes`.

mod secret;
mod store;

use crate::privacy::{Erasure, Holding, Kept, Records};

pub use secret::{LinkSecret, normalise_code};
pub use store::{Issued, NewCode, STATEMENTS, Used, issue, link_owner, purge_expired, purge_tickets, use_code, use_link, void};

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "codes",
    title: "Codes and links",
    about: "Hashes of codes that were mailed to you, sealed with what using one puts in force.",
    tables: &[("codes", "subject")],
    kept: Kept::Until("a day after they expired"),
    erasure: Erasure::Detached,
    records: Records::Withheld("They are secrets for a few minutes; what became of them stands among the audit events."),
};

/// What a code is for; a code for one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Confirms an address: six digits.
    VerifyEmail,
    /// Sets a new password: a link.
    ResetPassword,
    /// Opens one live stream of a transcript.
    TranscriptTicket,
    /// Opens one realtime connection.
    RealtimeTicket,
}

impl Purpose {
    /// The word that is stored and bound into the hash.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::TranscriptTicket => "transcript_ticket",
            Self::RealtimeTicket => "realtime_ticket",
        }
    }
}

/// Digits of a short code.
pub const CODE_DIGITS: usize = 6;
/// Tries that a short code allows.
pub const CODE_ATTEMPTS: u32 = 5;
/// Open codes that one person has at most; older ones are voided by newer ones.
pub const OPEN_CODES_MAX: u32 = 3;
