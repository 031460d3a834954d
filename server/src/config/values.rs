//! The merged layers: for every key the text that won, who wrote it and under which name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::SecretString;

use super::fault::{Fault, Wrong, shown};
use super::names;

/// A text somebody wrote for a setting.
#[derive(Clone)]
pub(super) struct Given {
    /// The value as written. May be secret.
    pub text: String,
    /// The name or key it was written under.
    pub name: String,
    /// The layer, in words.
    pub layer: String,
    /// The file a `NAME_FILE` pointed to.
    pub file: Option<PathBuf>,
}

/// Every key with what was given for it, above the defaults.
pub(super) struct Values {
    given: BTreeMap<String, Given>,
    defaults: BTreeMap<String, String>,
    set_aside: BTreeSet<String>,
}

impl Values {
    /// Nothing given yet.
    pub fn new(defaults: BTreeMap<String, String>) -> Self {
        Self { given: BTreeMap::new(), defaults, set_aside: BTreeSet::new() }
    }

    /// Lays `given` over what stood there; an empty value takes it back to the default.
    pub fn lay(&mut self, key: String, given: Given) {
        if given.text.is_empty() {
            self.given.remove(&key);
        } else {
            self.given.insert(key, given);
        }
    }

    /// Checks every given value by itself. Wrong ones are reported and the default takes their place, so that the
    /// rules that look at several settings can still run.
    pub fn set_wrong_ones_aside(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (key, given) in &self.given {
            let Some(setting) = names::of_key(key) else { continue };
            if let Err(wrong) = setting.accepts.check(&given.text) {
                faults.push(fault_of(given, setting.accepts.is_secret(), wrong));
                self.set_aside.insert(key.clone());
            }
        }
        self.given.retain(|key, _| !self.set_aside.contains(key));
        faults
    }

    /// Whether the value of `key` was wrong and is already reported.
    pub fn was_set_aside(&self, key: &str) -> bool {
        self.set_aside.contains(key)
    }

    /// What was given for `key`, if anything.
    pub fn given(&self, key: &str) -> Option<&Given> {
        self.given.get(key)
    }

    /// All given values with their keys.
    pub fn all_given(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.given.iter().map(|(key, given)| (key.as_str(), given))
    }

    /// Keys of a section that have a value, given or by default.
    pub fn keys_of(&self, section: &str) -> BTreeSet<&str> {
        self.given.keys().chain(self.defaults.keys()).filter(|key| key.starts_with(section)).map(String::as_str).collect()
    }

    /// The value of `key`, which must have a default.
    pub fn get<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Result<T, Fault> {
        match self.optional(key, parse)? {
            Some(value) => Ok(value),
            None => Err(Fault::missing(key, "has no default in this build", "this is a defect of Keystead; please report it")),
        }
    }

    /// The value of `key`, if there is one.
    pub fn optional<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match parse(text) {
            Ok(value) => Ok(Some(value)),
            // Given values were checked before; this is a default that does not parse, or bounds wider than the type.
            Err(wrong) => Err(Fault::new(key, "defaults", format!("the value {}", wrong.problem), wrong.mend)),
        }
    }

    /// The value of `key` as a secret, if there is one.
    pub fn secret(&self, key: &str) -> Result<Option<SecretString>, Fault> {
        self.optional(key, |text| Ok(SecretString::from(text.trim().to_owned())))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(|given| given.text.as_str()).or_else(|| self.defaults.get(key).map(String::as_str))
    }
}

fn fault_of(given: &Given, is_secret: bool, wrong: Wrong) -> Fault {
    let subject = if is_secret { "the value".to_owned() } else { shown(&given.text) };
    Fault::new(&given.name, &given.layer, format!("{subject} {}", wrong.problem), wrong.mend)
}
