//! What people see: answers on standard output, errors on standard error, colour only where it is wanted.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

use super::Failure;
use crate::config::Fault;
use crate::error::FieldError;
use crate::time::Timestamp;

/// A new file that nobody else may read, for what holds personal data. One that is there is not written over: it may be the only
/// copy of something, and others may hold it open.
pub(super) fn private_file(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

/// Where a command writes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    colour: bool,
}

impl Output {
    /// Standard output and error of this process; coloured on a terminal unless `NO_COLOR` is set (no-color.org).
    pub fn process() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colour: io::stderr().is_terminal() && !unwanted && !dumb }
    }

    /// One line of the answer. A reader that went away (`| head`) is no error.
    pub fn line(&self, text: impl AsRef<str>) {
        let _ = writeln!(io::stdout().lock(), "{}", text.as_ref());
    }

    /// A line that is not part of the answer, on standard error.
    pub fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
    }

    /// The answer as one JSON document.
    pub fn json(&self, value: &impl Serialize) {
        // Our own types of texts and numbers have no way to fail here; an empty line is the harmless answer if they did.
        self.line(serde_json::to_string_pretty(value).unwrap_or_default());
    }

    /// A table with aligned columns under `heads`.
    pub fn table(&self, heads: &[&str], rows: &[Vec<String>]) {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(heads.get(column).map(|head| head.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let print = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            self.line(padded.join("  ").trim_end());
        };
        print(&mut heads.iter().copied());
        for row in rows {
            print(&mut row.iter().map(String::as_str));
        }
    }

    /// What there is to know about one thing, a line each.
    pub fn facts(&self, facts: &[(&str, String)]) {
        let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in facts {
            self.line(format!("{name:width$}  {value}"));
        }
    }

    /// `error: what` and `  → mend`.
    pub fn error(&self, what: &str, mend: &str) {
        self.notice("error", "31", what, mend);
    }

    /// `warning: what` and `  → mend`.
    pub fn warning(&self, what: &str, mend: &str) {
        self.notice("warning", "33", what, mend);
    }

    fn refused(&self, value: &FieldError) {
        // The members of the API are the options of the command: `passwordHash` is `--password-hash`.
        let option = value.field.chars().fold(String::from("--"), |mut option, letter| {
            if letter.is_uppercase() {
                option.push('-');
            }
            option.extend(letter.to_lowercase());
            option
        });
        let option = if option == "--password" { "the password" } else { &option };
        self.error(&format!("{option} is refused: {}", value.code.replace('_', " ")), &value.message);
    }

    /// Each fault, then how many there are.
    pub fn faults(&self, faults: &[Fault]) {
        for fault in faults {
            self.error(&fault.to_string(), &fault.mend);
        }
        if faults.len() > 1 {
            let _ = writeln!(io::stderr().lock(), "{} settings to mend.", faults.len());
        }
    }

    /// Each warning.
    pub fn warnings(&self, warnings: &[Fault]) {
        for warning in warnings {
            self.warning(&warning.to_string(), &warning.mend);
        }
    }

    /// Why the command failed.
    pub fn failure(&self, failure: &Failure) {
        match failure {
            Failure::Failed { what, mend } | Failure::Usage { what, mend } => self.error(what, mend),
            Failure::Refused(values) => values.iter().for_each(|value| self.refused(value)),
            Failure::Configuration(faults) => self.faults(&faults.0),
            Failure::Silent(_) => {}
        }
    }

    fn notice(&self, word: &str, colour: &str, what: &str, mend: &str) {
        let (on, off) = if self.colour { (format!("\x1b[1;{colour}m"), "\x1b[0m") } else { (String::new(), "") };
        let _ = writeln!(io::stderr().lock(), "{on}{word}{off}: {what}\n  → {mend}");
    }
}

/// An instant for people: RFC 3339 in UTC, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    Timestamp::from_secs(at.as_secs()).to_rfc3339()
}

/// An instant that may not have come.
pub(super) fn moment_or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "–".to_owned(), moment)
}
