//! What the remote evaluation protocol answers for a flag, written when the flag is configured: of a hundred flags at once,
//! putting the answer together would cost more than evaluating them.

use aws_lc_rs::digest::{self, SHA256};
use serde_json::json;

use super::definition::Definition;
use super::evaluate::{Compiled, Reason};

/// What a tag is computed from: these many bytes per flag tell every answer of every definition from every other.
pub(super) type Mark = [u8; 16];

/// Every answer a definition can give; a handful.
pub(super) struct Rendered {
    answers: Vec<Answer>,
    none: Mark,
}

struct Answer {
    reason: Reason,
    variant: String,
    /// `{"key": …, "reason": …, "variant": …, "value": …}`
    json: String,
    mark: Mark,
}

impl Rendered {
    pub(super) fn new(key: &str, definition: &Definition) -> Self {
        let definition_text = definition.to_json();
        let mark = |outcome: [&str; 2]| {
            let mut hash = digest::Context::new(&SHA256);
            for part in [key, &definition_text, outcome[0], outcome[1]] {
                hash.update(part.as_bytes());
                hash.update(b"\0");
            }
            let mut mark = Mark::default();
            mark.copy_from_slice(&hash.finish().as_ref()[..16]);
            mark
        };
        let mut answers: Vec<Answer> = Vec::new();
        for (reason, variant) in Compiled::outcomes(definition) {
            if answers.iter().any(|known| known.reason == reason && known.variant == variant) {
                continue;
            }
            // A definition was checked: its variants exist.
            let value = definition.variants.get(variant).map_or_else(|| "null".to_owned(), ToString::to_string);
            let json =
                format!("{{\"key\":{},\"reason\":\"{}\",\"variant\":{},\"value\":{value}}}", json!(key), reason.as_str(), json!(variant));
            answers.push(Answer { reason, variant: variant.to_owned(), json, mark: mark([reason.as_str(), variant]) });
        }
        Self { answers, none: mark(["", ""]) }
    }

    /// Writes the answer for `variant`, and adds to `marks` what it depends on.
    pub(super) fn write(&self, reason: Reason, variant: &str, body: &mut Vec<u8>, marks: &mut Vec<u8>) {
        // An evaluation gives nothing but what [`Compiled::outcomes`] lists.
        if let Some(answer) = self.answers.iter().find(|answer| answer.reason == reason && answer.variant == variant) {
            body.extend_from_slice(answer.json.as_bytes());
            marks.extend_from_slice(&answer.mark);
        }
    }

    /// Adds to `marks` that this flag has no value.
    pub(super) fn no_value(&self, marks: &mut Vec<u8>) {
        marks.extend_from_slice(&self.none);
    }
}
