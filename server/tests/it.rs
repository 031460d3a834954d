//! The one integration-test binary of Keystead.
//!
//! The tests of a part stand beside its code, in `src/<part>/tests.rs`, and use nothing but the public API of the
//! crate and the harness in `support/`. They are compiled here, outside the crate: after an edit of a test only
//! this binary is built again, and the `#[path]` lines below are the table of contents of what is tested.
//! How to run and write tests: `docs/testing.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod closed;
mod docs;
mod foreign;
mod hostile;
mod house;
mod support;

#[path = "../src/access/tests.rs"]
mod access;
#[path = "../src/accounts/tests.rs"]
mod accounts;
#[path = "../src/admin/tests.rs"]
mod admin;
#[path = "../src/app/tests.rs"]
mod app;
#[path = "../src/audit/tests.rs"]
mod audit;
#[path = "../src/cli/tests.rs"]
mod cli;
#[path = "../src/codes/tests.rs"]
mod codes;
#[path = "../src/config/tests.rs"]
mod config;
#[path = "../src/db/tests.rs"]
mod db;
#[path = "../src/exports/tests.rs"]
mod exports;
#[path = "../src/flags/tests.rs"]
mod flags;
#[path = "../src/http/tests.rs"]
mod http_floor;
#[path = "../src/idempotency/tests.rs"]
mod idempotency;
#[path = "../src/jobs/tests.rs"]
mod jobs;
#[path = "../src/mail/tests.rs"]
mod mail;
#[path = "../src/oauth/tests.rs"]
mod oauth;
#[path = "../src/passwords/tests.rs"]
mod passwords;
#[path = "../src/presence/tests.rs"]
mod presence;
#[path = "../src/privacy/tests.rs"]
mod privacy;
#[path = "../src/quotas/tests.rs"]
mod quotas;
#[path = "../src/roles/tests.rs"]
mod roles;
#[path = "../src/secret/tests.rs"]
mod secret;
#[path = "../src/sessions/tests.rs"]
mod sessions;
#[path = "../src/shared/tests.rs"]
mod shared;
#[path = "../src/spreadsheet/tests.rs"]
mod spreadsheet;
#[path = "../src/telemetry/tests.rs"]
mod telemetry;
#[path = "../src/tokens/tests.rs"]
mod tokens;
#[path = "../src/transactions/tests.rs"]
mod transactions;
#[path = "../src/transcripts/tests.rs"]
mod transcripts;
#[path = "../src/voice/tests.rs"]
mod voice;
