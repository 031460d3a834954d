//! What a flag is, as it is written and checked: every problem at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::condition;
use crate::error::FieldError;

/// The longest key, in characters.
pub const KEY_MAX: usize = 128;
const VARIANTS_MAX: usize = 64;
const RULES_MAX: usize = 64;
const NAME_MAX: usize = 64;
const DESCRIPTION_MAX: usize = 1000;
/// The longest definition as JSON, in bytes; it also stands in the audit trail.
const JSON_MAX: usize = 32 * 1024;

/// What all variants of a flag are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FlagType)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A number.
    Number,
    /// A JSON object.
    Object,
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Boolean => value.is_boolean(),
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Object => value.is_object(),
        }
    }
}

/// A flag as it is configured.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = FlagDefinition)]
pub struct Definition {
    /// What all variants are.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Switched off, everybody gets `offVariant`.
    pub enabled: bool,
    /// The values by name.
    #[schema(value_type = Object, example = json!({"on": true, "off": false}))]
    pub variants: BTreeMap<String, Value>,
    /// For whom no rule decides.
    #[schema(example = "off")]
    pub default_variant: String,
    /// For everybody while the flag is disabled; `defaultVariant` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_variant: Option<String>,
    /// What the flag switches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Looked at in order; the first that decides wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// Who gets what: everybody who meets a condition a variant, or shares of them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FlagRule)]
pub struct Rule {
    /// A JsonLogic condition over the evaluation context, with the operators of flagd; everybody when left out.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub condition: Option<Value>,
    /// The variant they get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Or shares of them; whom no share takes, the next rule decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Vec<Share>>,
}

/// A part of the people.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FlagShare)]
pub struct Share {
    /// What they get.
    pub variant: String,
    /// How many of a hundred, to three decimals.
    #[schema(minimum = 0, maximum = 100)]
    pub percent: f64,
}

impl Share {
    /// The share in thousandths of a percent.
    pub(super) fn weight(&self) -> i64 {
        // From 0 to 100,000, because it was checked.
        #[expect(clippy::cast_possible_truncation, reason = "a checked share is at most 100,000")]
        let weight = (self.percent * 1000.0).round() as i64;
        weight
    }
}

/// A key: what a program asks for.
///
/// # Errors
/// It is empty, too long, or has other characters than `a-z 0-9 . _ -`.
pub fn check_key(key: &str) -> Result<(), FieldError> {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if key.is_empty() || key.len() > KEY_MAX || !key.bytes().all(known) {
        let message = format!("Use 1 to {KEY_MAX} characters of a-z, 0-9, dot, dash and underscore.");
        return Err(FieldError { field: "key".into(), code: "invalid_key", message: message.into() });
    }
    Ok(())
}

impl Definition {
    /// Everything that is wrong with it.
    pub fn check(&self) -> Vec<FieldError> {
        let mut faults = Faults(Vec::new());
        if self.variants.is_empty() || self.variants.len() > VARIANTS_MAX {
            faults.add("variants", "count", format!("Give 1 to {VARIANTS_MAX} variants."));
        }
        for (name, value) in &self.variants {
            if name.is_empty() || name.chars().count() > NAME_MAX {
                faults.add("variants", "invalid_name", format!("Name each variant with 1 to {NAME_MAX} characters."));
            }
            if !self.kind.holds(value) {
                faults.add(format!("variants.{}", shown(name)), "wrong_type", "The value is not of the flag's type.");
            }
        }
        faults.variant(self, "defaultVariant", &self.default_variant);
        if let Some(off) = &self.off_variant {
            faults.variant(self, "offVariant", off);
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_MAX) {
            faults.add("description", "too_long", format!("Use at most {DESCRIPTION_MAX} characters."));
        }
        if self.rules.len() > RULES_MAX {
            faults.add("rules", "count", format!("Give at most {RULES_MAX} rules."));
        }
        for (place, rule) in self.rules.iter().take(RULES_MAX).enumerate() {
            faults.rule(self, place, rule);
        }
        // The same text is stored, and kept in the audit trail.
        if faults.0.is_empty() && self.to_json().len() > JSON_MAX {
            faults.add("variants", "too_large", format!("The whole flag may be at most {JSON_MAX} bytes of JSON."));
        }
        faults.0
    }

    /// The text that is stored.
    pub fn to_json(&self) -> String {
        // Strings, numbers and JSON always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A name that somebody made up, as far as a message can show it.
fn shown(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

struct Faults(Vec<FieldError>);

impl Faults {
    fn add(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.into().into(), code, message: message.into().into() });
    }

    fn variant(&mut self, flag: &Definition, field: impl Into<String>, name: &str) {
        if !flag.variants.contains_key(name) {
            self.add(field, "unknown_variant", "There is no such variant.");
        }
    }

    fn rule(&mut self, flag: &Definition, place: usize, rule: &Rule) {
        let at = |member: &str| format!("rules.{place}.{member}");
        if let Some(condition) = &rule.condition
            && let Err(why) = condition::check(condition)
        {
            self.add(at("if"), "invalid_condition", why);
        }
        match (&rule.variant, &rule.rollout) {
            (Some(variant), None) => {
                self.variant(flag, at("variant"), variant);
                if rule.condition.is_none() {
                    self.add(at("if"), "required", "A rule with a variant needs a condition; for everybody, change defaultVariant.");
                }
            }
            (None, Some(shares)) => self.rollout(flag, &at("rollout"), shares),
            _ => self.add(format!("rules.{place}"), "one_of", "Give either variant or rollout."),
        }
    }

    fn rollout(&mut self, flag: &Definition, at: &str, shares: &[Share]) {
        if shares.is_empty() || shares.len() > VARIANTS_MAX {
            self.add(at, "count", format!("Give 1 to {VARIANTS_MAX} shares."));
        }
        for (place, share) in shares.iter().take(VARIANTS_MAX).enumerate() {
            self.variant(flag, format!("{at}.{place}.variant"), &share.variant);
            if !(0.0..=100.0).contains(&share.percent) {
                self.add(format!("{at}.{place}.percent"), "out_of_range", "Use a number from 0 to 100.");
                return;
            }
        }
        let sum: i64 = shares.iter().take(VARIANTS_MAX).map(Share::weight).sum();
        if sum > 100_000 {
            self.add(at, "more_than_all", "The shares are more than 100 percent together.");
        }
    }
}
