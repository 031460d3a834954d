//! Policies people consent to, and how long what is finished is kept.

use super::fault::{Fault, Wrong, wrong};
use super::parse;
use super::values::Values;

/// `KEYSTEAD_PRIVACY__…` and `KEYSTEAD_RETENTION__…`.
#[derive(Clone, Debug)]
pub struct Privacy {
    /// Days that finished data is kept, for every kind without a value of its own.
    pub retention_days: u32,
    /// Days per kind.
    pub retention: Retention,
    /// Current version of each policy as (policy, version); empty = nothing is asked.
    pub policies: Vec<(String, String)>,
}

/// Days that each kind of finished data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Ended sessions.
    pub sessions: u32,
    /// Transcripts.
    pub transcripts: u32,
    /// Deleted transactions.
    pub transactions: u32,
    /// Audit events.
    pub audit: u32,
    /// Finished exports.
    pub exports: u32,
    /// What was used of the quotas on days that are over.
    pub quotas: u32,
    /// Accounts that never confirmed their address.
    pub unverified_accounts: u32,
}

impl Privacy {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        let retention_days = values.get("retention.days", parse::number)?;
        let days = |key| values.optional(key, parse::number).map(|days| days.unwrap_or(retention_days));
        let retention = Retention {
            sessions: days("retention.sessions")?,
            transcripts: days("retention.transcripts")?,
            transactions: days("retention.transactions")?,
            audit: days("retention.audit")?,
            exports: days("retention.exports")?,
            quotas: days("retention.quotas")?,
            unverified_accounts: days("retention.unverified_accounts")?,
        };
        Ok(Self { retention_days, retention, policies: values.optional("privacy.policies", policies)?.unwrap_or_default() })
    }
}

/// `privacy=2026-01,terms=2026-01`.
pub(super) fn policies(text: &str) -> Result<Vec<(String, String)>, Wrong> {
    const MEND: &str = "write `name=version` pairs, such as `privacy=2026-01,terms=2026-01`";
    let mut policies: Vec<(String, String)> = Vec::new();
    for part in parse::list(text) {
        let pair = part.split_once('=').map(|(policy, version)| (policy.trim().to_owned(), version.trim().to_owned()));
        match pair {
            Some((policy, version)) if !is_word(&policy) || !is_word(&version) => {
                return wrong("holds an unusable policy or version", MEND);
            }
            Some((policy, _)) if policies.iter().any(|(known, _)| *known == policy) => return wrong("names a policy twice", MEND),
            Some(pair) => policies.push(pair),
            None => return wrong("is not a list of policies", MEND),
        }
    }
    Ok(policies)
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
