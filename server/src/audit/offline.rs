//! Verification of an export: no database, no network, bounded memory.

use std::io::{self, BufRead, Read};

use serde::Serialize;

use super::chain::Break;
use super::checkpoint::{Kind, Statement};
use super::extract::ExtractWalk;
use super::inspect::{Fault, Inspector};
use super::line::Line;
use super::verify::{Broken, Verification};
use crate::secret::PublicKey;

/// The longest line; an event with everything filled takes a fraction.
const LINE_MAX: u64 = 1024 * 1024;

/// What was found in an export.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileVerification {
    /// As for the table.
    #[serde(flatten)]
    pub verification: Verification,
    /// The keys that were trusted. They stand in the file itself: compare them with what you know.
    pub keys: Vec<String>,
}

/// Why there is nothing to verify.
#[derive(Debug, thiserror::Error)]
pub enum NotVerifiable {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is no NDJSON export of an audit trail")]
    NotAnExport,
    /// The key that is trusted did not sign it.
    #[error("none of its keys is the one you named; they are {0}")]
    OtherKey(String),
}

/// Verifies an export. Of the keys it names, only `trusted` counts, if one is given.
///
/// # Errors
/// It is none, or of another key.
pub fn verify_file(mut file: impl BufRead, trusted: Option<&str>) -> Result<FileVerification, NotVerifiable> {
    let mut lines = Lines { file: &mut file, text: Vec::new() };
    let (keys, extract) = match lines.next()? {
        Some(Some(Line::Trail(head))) => (head.keys(), None),
        Some(Some(Line::Extract(head))) => {
            let begin = (head.digest(), head.after());
            (head.keys(), Some(begin))
        }
        _ => return Err(NotVerifiable::NotAnExport),
    };
    let keys = keys.ok_or(NotVerifiable::NotAnExport)?;
    let names = |keys: &[PublicKey]| keys.iter().map(PublicKey::kid).collect::<Vec<_>>();
    let counting: Vec<PublicKey> = keys.iter().copied().filter(|key| trusted.is_none_or(|trusted| key.kid() == trusted)).collect();
    if counting.is_empty() {
        return Err(NotVerifiable::OtherKey(names(&keys).join(", ")));
    }
    if let Some((digest, after)) = extract {
        let mut walk = ExtractWalk::new(counting.clone(), digest, after);
        let fault = along_extract(&mut walk, &mut lines)?;
        let (checked, sealed_up_to) = (walk.checked, walk.seq);
        let verification = Verification { valid: fault.is_none(), checked, sealed_up_to, first_broken: fault.map(Broken::of) };
        return Ok(FileVerification { verification, keys: names(&counting) });
    }
    let mut walk = FileWalk { begin: 0, seq: 0, inspector: None };
    let fault = walk.along(&mut lines, &counting)?;
    let verification = Verification {
        valid: fault.is_none(),
        checked: walk.seq - walk.begin,
        sealed_up_to: walk.seq,
        first_broken: fault.map(Broken::of),
    };
    Ok(FileVerification { verification, keys: names(&counting) })
}

struct Lines<'a, R> {
    file: &'a mut R,
    text: Vec<u8>,
}

impl<R: BufRead> Lines<'_, R> {
    /// The next line; nothing at the end; nothing in it when it is none of ours.
    fn next(&mut self) -> io::Result<Option<Option<Line>>> {
        self.text.clear();
        let length = self.file.take(LINE_MAX).read_until(b'\n', &mut self.text)?;
        // A line that does not end was cut, and so may be what it says.
        let whole = self.text.strip_suffix(b"\n");
        Ok((length > 0).then(|| whole.and_then(|line| serde_json::from_slice(line).ok())))
    }
}

/// Every line of an extract up to its end, or the first that is wrong.
fn along_extract(walk: &mut ExtractWalk, lines: &mut Lines<'_, impl BufRead>) -> io::Result<Option<Fault>> {
    while let Some(line) = lines.next()? {
        let altered = (walk.seq + 1, Break::Altered);
        let step = match line {
            Some(Line::Event(event)) => {
                let told = event.extract();
                event.link().ok_or(altered).and_then(|link| walk.event(&link, told))
            }
            Some(Line::Extracted(line)) => line.statement(Kind::Extract).ok_or(altered).and_then(|statement| walk.end(&statement)),
            _ => Err(altered),
        };
        if let Err(fault) = step {
            return Ok(Some(fault));
        }
    }
    Ok((!walk.has_ended()).then_some((walk.seq + 1, Break::Unfinished)))
}

struct FileWalk {
    begin: i64,
    seq: i64,
    inspector: Option<Inspector>,
}

impl FileWalk {
    /// Every line up to the end, or the first that is wrong.
    fn along(&mut self, lines: &mut Lines<'_, impl BufRead>, keys: &[PublicKey]) -> io::Result<Option<Fault>> {
        while let Some(line) = lines.next()? {
            if let Err(fault) = self.step(line, keys) {
                return Ok(Some(fault));
            }
        }
        let ended = self.inspector.as_ref().is_some_and(Inspector::has_ended);
        Ok((!ended).then_some((self.seq + 1, Break::Unfinished)))
    }

    fn step(&mut self, line: Option<Line>, keys: &[PublicKey]) -> Result<(), Fault> {
        let altered = (self.seq + 1, Break::Altered);
        let statement = match line {
            Some(Line::Event(event)) => {
                if event.is_extract() {
                    return Err(altered);
                }
                let link = event.link().ok_or(altered)?;
                let inspector = self.inspector(keys, None)?;
                if inspector.has_ended() {
                    return Err((link.seq, Break::Missing));
                }
                inspector.event(&link)?;
                self.seq = link.seq;
                return Ok(());
            }
            Some(Line::Checkpoint(line)) => line.statement(Kind::Checkpoint),
            Some(Line::End(line)) => line.statement(Kind::End),
            Some(Line::Begins(line)) => line.statement(Kind::Begins),
            Some(Line::From(line)) => line.statement(Kind::From),
            Some(Line::Trail(_) | Line::Extract(_) | Line::Extracted(_)) | None => None,
        };
        let statement = statement.ok_or(altered)?;
        if matches!(statement.kind, Kind::Begins | Kind::From) && self.inspector.is_none() {
            self.inspector(keys, Some(&statement))?;
            (self.begin, self.seq) = (statement.seq, statement.seq);
            return Ok(());
        }
        self.inspector(keys, None)?.statement(&statement)
    }

    fn inspector(&mut self, keys: &[PublicKey], begins: Option<&Statement>) -> Result<&mut Inspector, Fault> {
        let inspector = match self.inspector.take() {
            Some(inspector) => inspector,
            None => Inspector::new(keys.to_vec(), begins)?,
        };
        Ok(self.inspector.insert(inspector))
    }
}
