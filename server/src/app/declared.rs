//! What every slice declares besides its routes, in one place each: its SQL, and what it holds about people.

use crate::db::Sql;
use crate::exports::Kind;
use crate::privacy::Holding;
use crate::{
    accounts, admin, audit, codes, exports, flags, idempotency, oauth, passwords, privacy, quotas, roles, sessions, tokens, transactions,
    transcripts, voice,
};

/// Every slice's SQL, for the test that prepares each statement on both engines.
pub fn statements() -> Vec<(&'static str, &'static [(&'static str, Sql)])> {
    vec![
        ("accounts", accounts::STATEMENTS),
        ("account imports", accounts::import::STATEMENTS),
        ("administration", admin::STATEMENTS),
        ("administrators", accounts::ADMINISTRATOR_STATEMENTS),
        ("audit", audit::STATEMENTS),
        ("audit checkpoints", audit::CHECKPOINT_STATEMENTS),
        ("codes", codes::STATEMENTS),
        ("exports", exports::STATEMENTS),
        ("files of people who are erased", exports::ERASURE_STATEMENTS),
        ("flags", flags::STATEMENTS),
        ("idempotency", idempotency::STATEMENTS),
        ("oauth", oauth::STATEMENTS),
        ("oauth back-channel logout", oauth::BACKCHANNEL_STATEMENTS),
        ("oauth authorizations", oauth::authorize::STATEMENTS),
        ("oauth devices", oauth::device::STATEMENTS),
        ("passwords", passwords::STATEMENTS),
        ("privacy", privacy::STATEMENTS),
        ("quotas", quotas::STATEMENTS),
        ("quota reservations", quotas::RESERVATION_STATEMENTS),
        ("old quotas", quotas::PURGE_STATEMENTS),
        ("roles", roles::STATEMENTS),
        ("sessions", sessions::store::STATEMENTS),
        ("impersonations", sessions::IMPERSONATION_STATEMENTS),
        ("tokens", tokens::STATEMENTS),
        ("transcripts", transcripts::STATEMENTS),
        ("transcripts of people who are erased", transcripts::ERASURE_STATEMENTS),
        ("voice", voice::STATEMENTS),
        ("voice tokens", voice::TOKEN_STATEMENTS),
        ("transactions", transactions::STATEMENTS),
        ("lists of transactions", transactions::LIST_STATEMENTS),
        ("sums of transactions", transactions::TOTAL_STATEMENTS),
        ("old transactions", transactions::RETENTION_STATEMENTS),
    ]
}

/// What can be exported.
pub fn export_kinds() -> Vec<Kind> {
    vec![exports::TRANSACTIONS, exports::ACCOUNT, exports::AUDIT, transcripts::EXPORT]
}

/// Everything that is held about people, in the order of an export; [`privacy::holdings`] says what a line of it means.
pub fn holdings() -> Vec<Holding> {
    let own = [
        accounts::HOLDING,
        privacy::HOLDING,
        sessions::HOLDING,
        tokens::HOLDING,
        exports::HOLDING,
        transcripts::HOLDING,
        quotas::HOLDING,
        quotas::DAYS,
        quotas::RESERVATIONS,
        transactions::HOLDING,
        oauth::authorize::HOLDING,
        oauth::authorize::CODES,
        oauth::device::HOLDING,
        codes::HOLDING,
        passwords::HOLDING,
        accounts::IMPORTS,
        voice::HOLDING,
        voice::TOKENS,
    ];
    own.into_iter().chain(privacy::BENEATH.iter().copied()).collect()
}
