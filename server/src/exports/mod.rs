//! Exports: files of a person's data, ordered, made in the background, fetched for a while.
//!
//! Owns the tables `exports` and `export_chunks`.

mod holding;
mod store;

pub use holding::HOLDING;
pub use store::STATEMENTS;
