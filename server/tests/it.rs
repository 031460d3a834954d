//! All tests of the crate, in one binary outside of it. A feature's tests stand in its folder and are compiled here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../src/mail/tests.rs"]
mod mail;
