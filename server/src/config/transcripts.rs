//! The relay of transcripts.

use std::time::Duration;

use super::fault::Fault;
use super::parse;
use super::values::Values;

/// `KEYSTEAD_TRANSCRIPTS__…`.
#[derive(Clone, Copy, Debug)]
pub struct Transcripts {
    /// How long after the end of a voice session late segments are accepted.
    pub grace: Duration,
    /// Live streams that one person has open on an instance at most.
    pub listeners: u32,
    /// Changes that an instance keeps at hand for the listeners of a session; who is further behind reads from the database.
    pub buffer: usize,
    /// Segments of one voice session at most.
    pub segment_limit: i64,
    /// Bytes of their sealed contents at most.
    pub size_limit: i64,
}

impl Transcripts {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self {
            grace: values.get("transcripts.grace", parse::span)?,
            listeners: values.get("transcripts.listeners", parse::number)?,
            buffer: values.get("transcripts.buffer", parse::number)?,
            segment_limit: values.get("transcripts.segment_limit", parse::number)?,
            // Within its bounds it fits.
            size_limit: i64::try_from(values.get("transcripts.size_limit", parse::size)?).unwrap_or(i64::MAX),
        })
    }
}
