#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../src/jobs/tests.rs"]
mod jobs;
#[path = "../src/mail/tests.rs"]
mod mail;
