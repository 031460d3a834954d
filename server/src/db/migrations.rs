//! Every migration that ships, in order. A test proves that the folder holds no other.

use super::Store;

/// One step of a schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// From 1. A number may be passed over, and is never given twice.
    pub version: u32,
    /// What it is about.
    pub name: &'static str,
    /// Its text for SQLite.
    pub sqlite: &'static str,
    /// Its text for PostgreSQL.
    pub postgres: &'static str,
}

macro_rules! migrations {
    ($folder:literal: $($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql")),
        }),+]
    };
}

const MAIN: &[Migration] = migrations!("main":
    1 "0001_accounts",
    2 "0002_signing_keys",
    3 "0003_jobs",
    4 "0004_mailbox",
    5 "0005_idempotency",
    6 "0006_flags",
    7 "0007_audit_checkpoints",
    8 "0008_oauth",
    9 "0009_relying_parties",
    10 "0010_client_sessions",
    11 "0011_device_requests",
    12 "0012_roles",
    13 "0013_personal_tokens",
    14 "0014_authorization",
    15 "0015_user_imports",
    16 "0016_dpop",
    17 "0017_audit_denied",
    18 "0018_administrators",
    19 "0019_users_changed",
    20 "0020_queue_and_figures",
    21 "0021_impersonation",
    22 "0022_transactions",
    23 "0023_exports",
    24 "0024_quotas",
    26 "0026_voice",
    27 "0027_transcripts",
    28 "0028_queue_by_kind",
    29 "0029_quota_receipts",
    30 "0030_audit_sealed_indexes",
    31 "0031_transactions_covering",
    32 "0032_receipts_and_ceilings",
    33 "0033_idempotency_replies",
    34 "0034_exports_fetched",
    36 "0036_established",
);

const KEYRING: &[Migration] = migrations!("keyring": 1 "0001_keyring");

/// The migrations of a store.
pub fn of(store: Store) -> &'static [Migration] {
    match store {
        Store::Main => MAIN,
        Store::Keyring => KEYRING,
    }
}
