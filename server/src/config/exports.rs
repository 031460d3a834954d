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
}

impl Exports {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self { file_ttl: values.get("exports.file_ttl", parse::span)? })
    }
}
