//! A segment: as it is posted, as it is sealed, as its owner sees it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::Stored;
use crate::error::{Code, FieldError, Problem};
use crate::secret::{PersonKey, Place, SealError};
use crate::time::Timestamp;

/// Segments of one post at most.
pub(super) const BATCH_MAX: usize = 100;
/// Characters of a text at most.
const TEXT_MAX: usize = 4_000;
/// Characters of a speaker's name at most.
const SPEAKER_MAX: usize = 100;
/// A day: no time in a session is later.
const TIME_MAX: i64 = 24 * 60 * 60 * 1000;
/// The highest number: what every JSON reader holds exactly (RFC 8259 section 6).
const SEQ_MAX: i64 = (1 << 53) - 1;
/// Faults that are reported of one post; nobody mends more at once.
const FAULTS_MAX: usize = 100;

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TranscriptSegmentPosted)]
pub(super) struct Segment {
    /// Its place in the transcript, as you count. The same number names the same segment.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub seq: i64,
    /// Who said it.
    #[schema(min_length = 1, max_length = 100)]
    pub speaker: String,
    /// What was said.
    #[schema(max_length = 4000)]
    pub text: String,
    /// When it begins, in milliseconds of the session.
    #[schema(minimum = 0, maximum = 86_400_000)]
    pub start_ms: i64,
    /// When it ends; not before it begins.
    #[schema(minimum = 0, maximum = 86_400_000)]
    pub end_ms: i64,
    /// Whether it is as it stays. What is not may be posted again with another text.
    pub r#final: bool,
}

/// What is posted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TranscriptPosted)]
pub(super) struct Batch {
    /// In the order in which they came to be.
    #[schema(min_items = 1, max_items = 100)]
    pub segments: Vec<Segment>,
}

/// A segment of a transcript, in the state it has now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TranscriptSegment)]
pub(super) struct SegmentView {
    /// Its place in the transcript.
    pub seq: i64,
    /// Who said it.
    pub speaker: String,
    /// What was said.
    pub text: String,
    /// When it begins, in milliseconds of the session.
    pub start_ms: i64,
    /// When it ends.
    pub end_ms: i64,
    /// Whether it is as it stays.
    pub r#final: bool,
    /// The number of its last change: higher than that of every change before, of any segment of the session.
    pub position: i64,
    /// When this state of it came.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
}

impl Batch {
    /// The segments, unless something is wrong with any.
    ///
    /// # Errors
    /// `validation_failed` with everything that is wrong.
    pub fn check(self) -> Result<Vec<Segment>, Problem> {
        let mut errors = Vec::new();
        match self.segments.len() {
            0 => errors.push(fault("segments".into(), "required", "Post at least one segment.")),
            1..=BATCH_MAX => self.segments.iter().enumerate().for_each(|(index, segment)| segment.check(index, &mut errors)),
            _ => errors.push(fault("segments".into(), "too_many", "Post at most 100 segments at once.")),
        }
        errors.truncate(FAULTS_MAX);
        if errors.is_empty() { Ok(self.segments) } else { Err(Problem { errors, ..Problem::new(Code::ValidationFailed) }) }
    }
}

impl Segment {
    fn check(&self, index: usize, errors: &mut Vec<FieldError>) {
        let mut refuse = |member: &str, code, message| errors.push(fault(format!("segments.{index}.{member}"), code, message));
        if !(0..=SEQ_MAX).contains(&self.seq) {
            refuse("seq", "out_of_range", "Use a whole number from 0 to 9007199254740991.");
        }
        if self.speaker.is_empty() {
            refuse("speaker", "required", "Say who speaks.");
        } else if self.speaker.chars().count() > SPEAKER_MAX {
            refuse("speaker", "too_long", "Use at most 100 characters.");
        }
        if self.text.chars().count() > TEXT_MAX {
            refuse("text", "too_long", "Use at most 4000 characters; make two segments of it.");
        }
        for (member, value) in [("speaker", &self.speaker), ("text", &self.text)] {
            if value.contains('\0') {
                refuse(member, "invalid", "Leave out the character U+0000.");
            }
        }
        for (member, value) in [("startMs", self.start_ms), ("endMs", self.end_ms)] {
            if !(0..=TIME_MAX).contains(&value) {
                refuse(member, "out_of_range", "Use milliseconds from the beginning of the session, 0 to 86400000.");
            }
        }
        if self.end_ms < self.start_ms {
            refuse("endMs", "before_start", "A segment does not end before it begins.");
        }
    }

    /// The segment as its owner sees it once it is stored at `position`.
    pub fn shown(&self, position: i64, now: Timestamp) -> SegmentView {
        let Self { seq, speaker, text, start_ms, end_ms, r#final } = self.clone();
        SegmentView { seq, speaker, text, start_ms, end_ms, r#final, position, received_at: now }
    }

    /// The segment as it is stored for the session `session`, sealed for its owner. Its position is not known yet.
    pub fn sealed(&self, key: &PersonKey, session: Uuid, now: Timestamp) -> Stored {
        // Two texts always serialise.
        let plain = serde_json::to_vec(&(&self.speaker, &self.text)).unwrap_or_default();
        let content = key.seal(place(&row(session, self.seq)), &plain);
        let &Self { seq, start_ms, end_ms, r#final: is_final, .. } = self;
        Stored { seq, position: 0, is_final, start_ms, end_ms, content, received_at: now }
    }
}

fn fault(field: String, code: &'static str, message: &'static str) -> FieldError {
    FieldError { field: field.into(), code, message: message.into() }
}

fn row(session: Uuid, seq: i64) -> [u8; 24] {
    let mut row = [0; 24];
    row[..16].copy_from_slice(session.as_bytes());
    row[16..].copy_from_slice(&seq.to_be_bytes());
    row
}

fn place(row: &[u8]) -> Place<'_> {
    Place { table: "transcript_segments", column: "content", row }
}

/// Opens a segment of the session `session` with its owner's key.
pub(super) fn open(stored: &Stored, key: &PersonKey, session: Uuid) -> Result<SegmentView, SealError> {
    let plain = key.open(place(&row(session, stored.seq)), &stored.content)?;
    let (speaker, text) = serde_json::from_slice(&plain).map_err(|_| SealError::Altered)?;
    let &Stored { seq, position, is_final, start_ms, end_ms, received_at, .. } = stored;
    Ok(SegmentView { seq, speaker, text, start_ms, end_ms, r#final: is_final, position, received_at })
}

impl From<SegmentView> for Segment {
    fn from(view: SegmentView) -> Self {
        let SegmentView { seq, speaker, text, start_ms, end_ms, r#final, .. } = view;
        Self { seq, speaker, text, start_ms, end_ms, r#final }
    }
}
