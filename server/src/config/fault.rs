//! What is wrong with a setting, and how it is told.

use std::fmt;

use serde::Serialize;

/// One thing wrong with the configuration. It never holds a secret value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The setting as the person wrote it (`PORT`, `server.port`), or its usual name when it is missing.
    pub name: String,
    /// The layer it was read from; `None` when it was not set anywhere.
    pub layer: Option<String>,
    /// What is wrong, to be read after the name.
    pub problem: String,
    /// What to do about it.
    pub mend: String,
}

impl Fault {
    /// A fault of `name` as read from `layer`.
    pub fn new(name: impl Into<String>, layer: impl Into<String>, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name: name.into(), layer: Some(layer.into()), problem: problem.into(), mend: mend.into() }
    }

    /// A fault of a setting that stands nowhere.
    pub fn missing(name: impl Into<String>, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name: name.into(), layer: None, problem: problem.into(), mend: mend.into() }
    }
}

impl fmt::Display for Fault {
    /// `PORT (environment): the problem`; the mend is printed by whoever lays out the lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.layer {
            Some(layer) => write!(f, "{} ({layer}): {}", self.name, self.problem),
            None => write!(f, "{}: {}", self.name, self.problem),
        }
    }
}

/// Everything wrong with a configuration; never empty when it is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}error: {fault}\n  → {}", fault.mend)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Why a single value is not acceptable, without the value: "is not a duration".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// A predicate that follows the value or the words "the value".
    pub problem: String,
    /// What to write instead.
    pub mend: String,
}

/// A [`Wrong`] as the error of a parser.
pub(super) fn wrong<T>(problem: impl Into<String>, mend: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { problem: problem.into(), mend: mend.into() })
}

/// A value as it may be shown: short, without control characters, and not at all when it could carry a password.
pub(super) fn shown(value: &str) -> String {
    const LONGEST: usize = 60;
    if value.contains('@') {
        return "the value".to_owned();
    }
    let mut short: String = value.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if value.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}
