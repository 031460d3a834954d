//! Files of their data that people order.

use std::time::Duration;

use super::fault::Fault;
use super::parse;
use super::values::Values;

/// `KEYSTEAD_EXPORTS__…`.
#[derive(Clone, Copy, Debug)]
pub struct Exports {
    /// How long a file can be fetched.
    pub file_ttl: Duration,
    /// Bytes that all files of one person may have.
    pub bytes_per_person: u64,
}

impl Exports {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        let bytes = values.get("exports.bytes_per_person", parse::size)?;
        Ok(Self { file_ttl: values.get("exports.file_ttl", parse::span)?, bytes_per_person: u64::try_from(bytes).unwrap_or(u64::MAX) })
    }
}
