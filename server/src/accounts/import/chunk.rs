//! Parts of a stream, of whole lines, as they wait for their turn: sealed, and each in its own place only.

use uuid::Uuid;

use super::lines::Line;
use crate::secret::{Purpose, RootKeys, SealError};

/// Lines that one part holds, and one transaction writes: enough to share its cost, few enough that nobody waits for it.
pub(super) const LINES: usize = 500;
/// Bytes at which a part is full, whatever its lines.
const BYTES: usize = 256 * 1024;
/// The length that says: longer than a line may be.
const TOO_LONG: u32 = u32::MAX;

/// A part that is being filled.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Each line: its number, its length, its bytes.
    framed: Vec<u8>,
    lines: usize,
}

impl Chunk {
    /// Appends a line; whether the part is full now.
    pub(super) fn push(&mut self, (number, line): &Line) -> bool {
        self.framed.extend_from_slice(&number.to_be_bytes());
        // Lines are cut at some kilobytes, so the length always fits.
        let length = line.as_ref().map_or(TOO_LONG, |line| u32::try_from(line.len()).unwrap_or(TOO_LONG));
        self.framed.extend_from_slice(&length.to_be_bytes());
        self.framed.extend_from_slice(line.as_deref().unwrap_or_default());
        self.lines += 1;
        self.lines >= LINES || self.framed.len() >= BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Seals it for its place.
    pub(super) fn seal(&self, roots: &RootKeys, import: Uuid, number: i64) -> Vec<u8> {
        roots.seal(Purpose::System, &place(import, number), &self.framed)
    }
}

/// The lines of a sealed part.
///
/// # Errors
/// It was sealed for another place, or altered; or its master key is not configured any more.
pub(super) fn open(roots: &RootKeys, import: Uuid, number: i64, sealed: &[u8]) -> Result<Vec<Line>, SealError> {
    let framed = roots.open(Purpose::System, &place(import, number), sealed)?;
    lines(&framed).ok_or(SealError::Altered)
}

fn lines(mut framed: &[u8]) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    while !framed.is_empty() {
        let (number, rest) = framed.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (number, length) = (u64::from_be_bytes(*number), u32::from_be_bytes(*length));
        if length == TOO_LONG {
            lines.push((number, None));
            framed = rest;
            continue;
        }
        let (line, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        lines.push((number, Some(line.to_vec())));
        framed = rest;
    }
    Some(lines)
}

fn place(import: Uuid, number: i64) -> Vec<u8> {
    [b"user_import_chunks.sealed".as_slice(), import.as_bytes(), &number.to_be_bytes()].concat()
}
