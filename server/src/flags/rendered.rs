//! What the remote evaluation protocol answers for a flag, written as far as it can be when the flag is configured: of a
//! hundred flags at once, putting the answer together would cost more than evaluating them.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{self, SHA256};
use serde_json::{Value, json};

use super::definition::Definition;
use super::evaluate::Reason;

/// The parts of `{"key": …, "reason": …, "variant": …, "value": …}`.
pub(super) struct Rendered {
    /// Up to the reason.
    before: String,
    /// From the reason on, by variant.
    after: BTreeMap<String, String>,
    /// Tells this definition from every other.
    fingerprint: [u8; 16],
}

impl Rendered {
    pub(super) fn new(key: &str, definition: &Definition) -> Self {
        let after =
            |(variant, value): (&String, &Value)| (variant.clone(), format!("\",\"variant\":{},\"value\":{value}}}", json!(variant)));
        let mut hash = digest::Context::new(&SHA256);
        hash.update(key.as_bytes());
        hash.update(b"\0");
        hash.update(definition.to_json().as_bytes());
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hash.finish().as_ref()[..16]);
        Self {
            before: format!("{{\"key\":{},\"reason\":\"", json!(key)),
            after: definition.variants.iter().map(after).collect(),
            fingerprint,
        }
    }

    /// Writes the answer for `variant`, and adds to `tag` what it depends on.
    pub(super) fn write(&self, reason: Reason, variant: &str, body: &mut Vec<u8>, tag: &mut digest::Context) {
        // A definition was checked: its variants exist.
        let after = self.after.get(variant).map_or("\",\"variant\":\"\",\"value\":null}", String::as_str);
        for part in [self.before.as_str(), reason.as_str(), after] {
            body.extend_from_slice(part.as_bytes());
        }
        self.tag(&[reason.as_str(), variant], tag);
    }

    /// Adds to `tag` that this flag has no value, and why.
    pub(super) fn tag(&self, outcome: &[&str], tag: &mut digest::Context) {
        tag.update(&self.fingerprint);
        for part in outcome {
            tag.update(part.as_bytes());
            tag.update(b"\0");
        }
    }
}
