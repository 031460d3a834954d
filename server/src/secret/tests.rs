//! What the secrets floor promises, through its public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails, in its helpers too")]

#[path = "tests/formats.rs"]
mod formats;
#[path = "tests/keyring.rs"]
mod keyring;
#[path = "tests/pool.rs"]
mod pool;
#[path = "tests/random.rs"]
mod random;
#[path = "tests/rewrap.rs"]
mod rewrap;
#[path = "tests/roots.rs"]
mod roots;
#[path = "tests/signer.rs"]
mod signer;
#[path = "tests/stores.rs"]
mod stores;
#[path = "tests/support.rs"]
mod support;
#[path = "tests/tokens.rs"]
mod tokens;
