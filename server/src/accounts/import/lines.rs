//! Lines out of a stream of bytes that is cut anywhere.

/// The longest line, in bytes; a person with every member filled takes a quarter of it.
pub const LINE_MAX: usize = 16 * 1024;

/// Cuts lines. Keeps at most one unfinished line in memory.
#[derive(Debug, Default)]
pub struct Lines {
    begun: Vec<u8>,
    too_long: bool,
    number: u64,
}

/// A whole line and its number, from 1; `None` for one that is longer than [`LINE_MAX`].
pub type Line = (u64, Option<Vec<u8>>);

impl Lines {
    /// The lines that `bytes` completes.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut whole = Vec::new();
        let mut parts = bytes.split(|byte| *byte == b'\n');
        // There is always a last part, which is not complete; it may be empty.
        let rest = parts.next_back().unwrap_or_default();
        for part in parts {
            self.append(part);
            whole.extend(self.end());
        }
        self.append(rest);
        whole
    }

    /// The last line, which need not end with a line feed.
    pub fn finish(&mut self) -> Option<Line> {
        // Behind the last line feed there is no line.
        if self.begun.is_empty() && !self.too_long { None } else { self.end() }
    }

    /// How many lines were begun.
    pub fn seen(&self) -> u64 {
        self.number
    }

    fn append(&mut self, part: &[u8]) {
        if self.begun.len() + part.len() > LINE_MAX {
            self.too_long = true;
            self.begun.clear();
        }
        if !self.too_long {
            self.begun.extend_from_slice(part);
        }
    }

    /// Nothing for a line without content.
    fn end(&mut self) -> Option<Line> {
        self.number += 1;
        let line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.too_long) {
            return Some((self.number, None));
        }
        // Windows editors put a byte order mark before the first line.
        let text = line.strip_prefix(b"\xef\xbb\xbf".as_slice()).filter(|_| self.number == 1).unwrap_or(&line);
        let text = text.trim_ascii();
        (!text.is_empty()).then(|| (self.number, Some(text.to_vec())))
    }
}
