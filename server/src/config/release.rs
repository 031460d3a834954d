//! Which build this is. Health and `--version` say it.

/// Semantic version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Short commit it was built from; `unknown` when built without git.
pub const COMMIT: &str = env!("KEYSTEAD_COMMIT");
/// Day of that commit as `YYYY-MM-DD`; empty when it is not known.
pub const COMMIT_DATE: &str = env!("KEYSTEAD_COMMIT_DATE");
/// `0.1.0 (abc1234 2026-11-21)`.
pub const LONG: &str = env!("KEYSTEAD_LONG_VERSION");
