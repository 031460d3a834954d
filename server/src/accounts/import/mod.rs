//! People come from another system: a stream of lines (NDJSON), each a person with the password hash they had there.
//!
//! Lines are cut out of the stream as it arrives ([`lines`]), read and checked one by one ([`entry`]) and written some
//! hundred at a time ([`batch`]): memory stays bounded however long the stream is, and no password is hashed again. A line
//! that is wrong is reported and harms no other. An address that has an account is skipped, so a stream that broke off
//! is simply sent again.
//!
//! A stream that is longer than a request should take is put by ([`spool`]), sealed and in parts ([`chunk`]), and carried out
//! by a durable job ([`work`]) that any instance takes up where another left it. The same lines go out again ([`export`]).
//!
//! Owns the tables `user_imports`, `user_import_chunks` and `user_import_seen`.

mod batch;
mod chunk;
mod entry;
mod export;
mod lines;
mod routes;
mod spool;
mod store;
mod view;
mod work;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use batch::Import;
pub use entry::ImportLine;
pub use export::{Export, exported};
pub use lines::{LINE_MAX, Lines};
pub use routes::{ALLOWANCE, routes};
pub use store::STATEMENTS;
pub use work::{IMPORT, handlers, sweep};

type Read<T> = Result<T, Vec<LineError>>;

/// Problems that are listed; all are counted.
pub const PROBLEMS_MAX: usize = 1000;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct LineError {
    /// The line's number, from 1.
    pub line: u64,
    /// Stable name of the rule that failed.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
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
    /// What a line says; counts it when it is wrong.
    fn accept<T>(&mut self, line: Read<T>) -> Option<T> {
        let problems = match line {
            Ok(entry) => return Some(entry),
            Err(problems) => problems,
        };
        self.failed += 1;
        let room = PROBLEMS_MAX.saturating_sub(self.errors.len());
        self.errors.extend(problems.into_iter().take(room));
        None
    }
}
