//! People come from another system: a stream of lines (NDJSON), each a person with the password hash they had there.
//!
//! Lines are cut out of the stream as it arrives ([`lines`]), read and checked one by one ([`entry`]) and written some
//! hundred at a time ([`batch`]): memory stays bounded however long the stream is, and no password is hashed again. A line
//! that is wrong is reported and harms no other. An address that has an account is skipped, so a stream that broke off
//! is simply sent again.

mod batch;
mod entry;
mod lines;
mod routes;

use serde::Serialize;
use utoipa::ToSchema;

pub use batch::Import;
pub use entry::ImportLine;
pub use lines::{LINE_MAX, Lines};
pub use routes::{ALLOWANCE, routes};

/// Problems that are listed; all are counted.
pub const PROBLEMS_MAX: usize = 1000;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineError {
    /// The line's number, from 1.
    pub line: u64,
    /// Stable name of the rule that failed.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// What to mend.
    pub message: String,
}

/// What became of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    /// Lines that became an account; in a dry run, that would.
    pub imported: u64,
    /// Lines whose address has an account already, or stood in an earlier line.
    pub skipped: u64,
    /// Lines that are wrong.
    pub failed: u64,
    /// Why, for the first thousand problems.
    pub errors: Vec<LineError>,
}

impl Report {
    /// Counts one wrong line.
    fn refuse(&mut self, problems: Vec<LineError>) {
        self.failed += 1;
        let room = PROBLEMS_MAX.saturating_sub(self.errors.len());
        self.errors.extend(problems.into_iter().take(room));
    }
}
