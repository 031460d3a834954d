//! All tests of the crate, in one binary outside of it.

#[path = "../src/cli/tests.rs"]
mod cli;
#[path = "../src/config/tests.rs"]
mod config;
