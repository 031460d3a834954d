//! What the secrets floor promises, through its public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails, in its helpers too")]

#[path = "tests/formats.rs"]
mod formats;
#[path = "tests/pool.rs"]
mod pool;
#[path = "tests/random.rs"]
mod random;
#[path = "tests/roots.rs"]
mod roots;
#[path = "tests/support.rs"]
mod support;
