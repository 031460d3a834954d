//! What a definition gives to whom, as a pure function.

use std::collections::BTreeMap;

use datalogic_rs::Engine;
use datalogic_rs::bumpalo::Bump;
use keystead::flags::{Compiled, Context, Definition, MissingTargetingKey, OPERATORS, Reason};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{simple, with_rules};

fn compile(key: &str, flag: Value) -> Compiled {
    let definition: Definition = serde_json::from_value(flag).unwrap();
    assert_eq!(definition.check(), []);
    Compiled::new(&Engine::new(), key, definition)
}

fn evaluate(flag: &Compiled, context: &Value) -> Result<(String, Value, Reason), MissingTargetingKey> {
    let arena = Bump::new();
    let found = flag.evaluate(&Engine::new(), &Context::new(context, &arena))?;
    Ok((found.variant.to_owned(), found.value.clone(), found.reason))
}

fn given(flag: &Compiled, context: Value) -> (String, Reason) {
    let (variant, _, reason) = evaluate(flag, &context).unwrap();
    (variant, reason)
}

#[test]
fn without_rules_everybody_gets_the_default() {
    let flag = compile("x", simple());
    assert_eq!(evaluate(&flag, &json!({})).unwrap(), ("off".into(), json!(false), Reason::Static));
}

#[test]
fn a_disabled_flag_decides_for_nobody() {
    let mut disabled = with_rules(json!([{"if": {"==": [1, 1]}, "variant": "on"}]));
    disabled["enabled"] = json!(false);
    assert_eq!(given(&compile("x", disabled.clone()), json!({})), ("off".into(), Reason::Disabled));
    disabled["offVariant"] = json!("on");
    assert_eq!(given(&compile("x", disabled), json!({})), ("on".into(), Reason::Disabled));
}

#[test]
fn conditions_have_the_operators_of_flagd() {
    let holds = |condition: Value, context: Value| {
        let flag = compile("x", with_rules(json!([{"if": condition, "variant": "on"}])));
        let (variant, reason) = given(&flag, context);
        assert_eq!(reason, if variant == "on" { Reason::TargetingMatch } else { Reason::Default });
        variant == "on"
    };
    let plan = json!({"plan": "pro", "age": 42, "version": "1.10.0", "email": "ada@example.com", "beta": true, "tags": ["a", "b"]});
    for (condition, expected) in [
        (json!({"==": [{"var": "plan"}, "pro"]}), true),
        (json!({"!=": [{"var": "plan"}, "pro"]}), false),
        (json!({">=": [{"var": "age"}, 42]}), true),
        (json!({"<": [{"var": "age"}, 42]}), false),
        (json!({"in": [{"var": "plan"}, ["free", "pro"]]}), true),
        (json!({"in": ["c", {"var": "tags"}]}), false),
        (json!({"ends_with": [{"var": "email"}, "@example.com"]}), true),
        (json!({"starts_with": [{"var": "email"}, "bob"]}), false),
        (json!({"sem_ver": [{"var": "version"}, ">=", "1.9.0"]}), true),
        (json!({"sem_ver": [{"var": "version"}, "<", "1.9.0"]}), false),
        (json!({"and": [{"var": "beta"}, {"!": [{"var": "missing"}]}]}), true),
        (json!({"or": [{"==": [{"var": "plan"}, "free"]}, {"==": [{"var": "age"}, 1]}]}), false),
        (json!({"starts_with": [{"var": "missing"}, "x"]}), false),
    ] {
        assert_eq!(holds(condition.clone(), plan.clone()), expected, "{condition}");
    }
}

/// What is let through is known to the library, or it would silently never hold.
#[test]
fn every_operator_exists() {
    let engine = Engine::new();
    let known: Vec<_> = engine.builtin_operator_names().collect();
    for operator in OPERATORS {
        assert!(known.contains(operator), "{operator}");
    }
}

/// One flag's mistake is nobody's outage.
#[test]
fn a_condition_that_cannot_be_evaluated_does_not_hold() {
    let flag = compile("x", with_rules(json!([{"if": {"<": [{"var": "a"}, {"+": [{"var": "b"}, 1]}]}, "variant": "on"}])));
    for context in [json!({"a": [], "b": {}}), json!({"a": "x", "b": "y"}), json!(null), json!([]), json!("text")] {
        let (variant, reason) = given(&flag, context.clone());
        assert!(reason == Reason::Default || variant == "on", "{context}");
    }
}

#[test]
fn the_first_rule_that_decides_wins() {
    let rules = json!([
        {"if": {"==": [{"var": "plan"}, "pro"]}, "rollout": [{"variant": "on", "percent": 0}]},
        {"if": {"==": [{"var": "plan"}, "pro"]}, "variant": "on"},
        {"rollout": [{"variant": "off", "percent": 100}]},
    ]);
    let flag = compile("x", with_rules(rules));
    assert_eq!(given(&flag, json!({"plan": "pro", "targetingKey": "a"})), ("on".into(), Reason::TargetingMatch));
    assert_eq!(given(&flag, json!({"plan": "free", "targetingKey": "a"})), ("off".into(), Reason::Split));
}

#[test]
fn a_rollout_needs_a_targeting_key() {
    let flag = compile("x", with_rules(json!([{"rollout": [{"variant": "on", "percent": 50}]}])));
    for context in [json!({}), json!({"targetingKey": ""}), json!({"targetingKey": 7}), json!({"targetingKey": null})] {
        assert_eq!(evaluate(&flag, &context), Err(MissingTargetingKey), "{context}");
    }
}

/// Pinned: a person must not change sides with an upgrade.
#[test]
fn shares_stay_as_they_are() {
    let flag = compile("new-checkout", with_rules(json!([{"rollout": [{"variant": "on", "percent": 25.5}]}])));
    let on: Vec<_> = (0..12).filter(|n| given(&flag, json!({"targetingKey": format!("user-{n}")})).0 == "on").collect();
    let murmur = |n: i32| {
        let hash = murmur3(format!("new-checkoutuser-{n}").as_bytes());
        (u64::from(hash) * 100_000) >> 32 < 25_500
    };
    assert_eq!(on, (0..12).filter(|n| murmur(*n)).collect::<Vec<_>>());
}

/// MurmurHash3 x86 32 with seed 0, written from its description, to hold the library to it.
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = 0_u32;
    let mut blocks = bytes.chunks_exact(4);
    for block in &mut blocks {
        hash ^= mix(u32::from_le_bytes(block.try_into().unwrap()));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = blocks.remainder().iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
    hash ^= mix(tail);
    hash ^= u32::try_from(bytes.len()).unwrap();
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

proptest! {
    /// Everybody stays where they are when a share grows, and the shares are as large as they say.
    #[test]
    fn shares_grow_without_moving_anybody(seed in 0_u32..1000, small in 1_u32..60, more in 1_u32..40) {
        let flag = |percent: u32| compile("x", with_rules(json!([{"rollout": [{"variant": "on", "percent": percent}]}])));
        let (before, after) = (flag(small), flag(small + more));
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for n in 0..600 {
            let context = json!({"targetingKey": format!("{seed}-{n}")});
            let (was, is) = (given(&before, context.clone()).0, given(&after, context).0);
            prop_assert!(was != "on" || is == "on");
            *counts.entry(is).or_default() += 1;
        }
        let on = f64::from(counts.get("on").copied().unwrap_or(0)) / 6.0;
        prop_assert!((on - f64::from(small + more)).abs() < 15.0, "{on} of {}", small + more);
    }
}
