//! Evaluation: from a compiled flag and a context to a value, without a look at anything else.
//!
//! Roll-outs are flagd's: murmur3 of the flag's key and the targeting key, scaled to the weights. So somebody stays in their
//! share as long as the shares stay, whichever instance (or flagd itself) decides, and two flags divide people differently.

use datalogic_rs::bumpalo::Bump;
use datalogic_rs::{DataValue, Engine, EvalInput, Logic};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::condition;
use super::definition::{Definition, Share};
use super::rendered::Rendered;

/// The member of a context that shares are divided by.
pub const TARGETING_KEY: &str = "targetingKey";
/// Stands for the part of the people that no share takes; no variant is called like this, names are not empty.
const NOBODY: &str = "";

/// Why somebody got what they got (OpenFeature 0.8, types).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The flag has no rules.
    Static,
    /// No rule decided.
    Default,
    /// A condition held.
    TargetingMatch,
    /// A share of a roll-out.
    Split,
    /// The flag is switched off.
    Disabled,
}

impl Reason {
    /// As OpenFeature writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Default => "DEFAULT",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Disabled => "DISABLED",
        }
    }
}

/// What somebody gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation<'f> {
    /// The value.
    pub value: &'f Value,
    /// Its name.
    pub variant: &'f str,
    /// Why.
    pub reason: Reason,
}

/// A roll-out divides people by their targeting key, and there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the flag divides people by targetingKey, which the context does not have")]
pub struct MissingTargetingKey;

/// A flag that is ready to be evaluated.
pub struct Compiled {
    definition: Definition,
    rules: Vec<Rule>,
    pub(super) rendered: Rendered,
}

struct Rule {
    condition: Option<Logic>,
    then: Then,
}

enum Then {
    Variant(String),
    /// Answers the name of a variant, or [`NOBODY`].
    Rollout(Logic),
}

impl Compiled {
    /// Compiles a checked definition; a rule that cannot be compiled (written by another version, say) decides for nobody.
    pub fn new(engine: &Engine, key: &str, definition: Definition) -> Self {
        let rules = definition.rules.iter().filter_map(|rule| {
            let condition = rule.condition.as_ref().map(|logic| condition::compile(engine, logic)).transpose().ok()?;
            let then = match (&rule.variant, &rule.rollout) {
                (Some(variant), None) => Then::Variant(variant.clone()),
                (None, Some(shares)) => Then::Rollout(engine.compile(&rollout(key, shares)).ok()?),
                _ => return None,
            };
            Some(Rule { condition, then })
        });
        let rules = rules.collect();
        let rendered = Rendered::new(key, &definition);
        Self { definition, rules, rendered }
    }

    /// What `context` gets.
    ///
    /// # Errors
    /// A roll-out was met, and the context has no targeting key.
    pub fn evaluate<'f>(&'f self, engine: &Engine, context: &Context<'_>) -> Result<Evaluation<'f>, MissingTargetingKey> {
        let flag = &self.definition;
        if !flag.enabled {
            return Ok(self.give(flag.off_variant.as_ref().unwrap_or(&flag.default_variant), Reason::Disabled));
        }
        for rule in &self.rules {
            if rule.condition.as_ref().is_some_and(|logic| !condition::holds(engine, logic, context.attributes, context.arena)) {
                continue;
            }
            match &rule.then {
                Then::Variant(variant) => return Ok(self.give(variant, Reason::TargetingMatch)),
                Then::Rollout(logic) => {
                    if !context.has_targeting_key {
                        return Err(MissingTargetingKey);
                    }
                    let share = engine.evaluate(logic, context.attributes, context.arena).ok().and_then(|value| value.as_str());
                    if let Some((name, _)) = share.and_then(|share| flag.variants.get_key_value(share)) {
                        return Ok(self.give(name, Reason::Split));
                    }
                }
            }
        }
        let reason = if self.rules.is_empty() { Reason::Static } else { Reason::Default };
        Ok(self.give(&flag.default_variant, reason))
    }

    /// All that [`Compiled::evaluate`] can give, some perhaps twice.
    pub(super) fn outcomes(definition: &Definition) -> impl Iterator<Item = (Reason, &str)> {
        let switched_off = definition.off_variant.as_ref().unwrap_or(&definition.default_variant);
        let matched = definition.rules.iter().filter_map(|rule| rule.variant.as_deref()).map(|variant| (Reason::TargetingMatch, variant));
        let shares = definition.rules.iter().filter_map(|rule| rule.rollout.as_ref()).flatten();
        let otherwise = [Reason::Static, Reason::Default].map(|reason| (reason, definition.default_variant.as_str()));
        let split = shares.map(|share| (Reason::Split, share.variant.as_str()));
        [(Reason::Disabled, switched_off.as_str())].into_iter().chain(otherwise).chain(matched).chain(split)
    }

    fn give<'f>(&'f self, variant: &'f str, reason: Reason) -> Evaluation<'f> {
        // A definition was checked: its variants exist. If one did not, nothing is the value that harms least.
        Evaluation { value: self.definition.variants.get(variant).unwrap_or(&Value::Null), variant, reason }
    }
}

fn rollout(key: &str, shares: &[Share]) -> Value {
    let mut operands = vec![json!({"cat": [key, {"var": TARGETING_KEY}]})];
    operands.extend(shares.iter().map(|share| json!([share.variant, share.weight()])));
    let rest = 100_000 - shares.iter().map(Share::weight).sum::<i64>();
    operands.push(json!([NOBODY, rest]));
    json!({ "fractional": operands })
}

/// Whom a flag is evaluated for, converted once for many flags.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    attributes: &'a DataValue<'a>,
    has_targeting_key: bool,
    /// What evaluations put together goes here, too: some bytes per flag.
    arena: &'a Bump,
}

impl<'a> Context<'a> {
    /// Converts `attributes` into `arena`.
    pub fn new(attributes: &'a Value, arena: &'a Bump) -> Self {
        // Converting parsed JSON has no way to fail.
        let attributes = attributes.into_arena_value(arena).unwrap_or_else(|_| arena.alloc(DataValue::Null));
        let has_targeting_key = attributes.get(TARGETING_KEY).and_then(DataValue::as_str).is_some_and(|key| !key.is_empty());
        Self { attributes, has_targeting_key, arena }
    }
}

/// The attributes that conditions know a caller by, over what the caller says of themselves.
pub(super) fn attributes(mut said: Map<String, Value>, person: &crate::accounts::UserBody) -> Value {
    let own = [
        (TARGETING_KEY, json!(person.id)),
        ("userId", json!(person.id)),
        ("email", json!(person.email)),
        ("emailVerified", json!(person.email_verified)),
        ("role", json!(person.role)),
        ("roles", json!(person.roles)),
        ("createdAt", json!(person.created_at)),
    ];
    said.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Object(said)
}
