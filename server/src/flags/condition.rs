//! Conditions: JsonLogic with the operators of flagd, evaluated by `datalogic-rs` (decision 0010).
//!
//! Only operators that cost what they look like are let through: no loops over data, and bounded in depth and size, so that no
//! flag can make an evaluation slow.

use datalogic_rs::bumpalo::Bump;
use datalogic_rs::{DataValue, Engine, Logic};
use serde_json::Value;

const DEPTH_MAX: usize = 16;
const NODES_MAX: usize = 500;

/// What a condition may do (json-logic and flagd).
pub const OPERATORS: &[&str] = &[
    "!",
    "!!",
    "!=",
    "!==",
    "%",
    "*",
    "+",
    "-",
    "/",
    "<",
    "<=",
    "==",
    "===",
    ">",
    ">=",
    "and",
    "cat",
    "ends_with",
    "if",
    "in",
    "max",
    "min",
    "missing",
    "or",
    "sem_ver",
    "starts_with",
    "substr",
    "var",
];

/// Whether `condition` can be compiled, and why not.
pub(super) fn check(condition: &Value) -> Result<(), String> {
    if !condition.is_object() {
        return Err("A condition is an object, such as {\"==\": [{\"var\": \"plan\"}, \"pro\"]}.".to_owned());
    }
    let mut nodes = 0;
    walk(condition, 0, &mut nodes)?;
    compile(&Engine::new(), condition).map(drop).map_err(|_| "The condition cannot be read: an operator has the wrong operands.".to_owned())
}

fn walk(value: &Value, depth: usize, nodes: &mut usize) -> Result<(), String> {
    *nodes += 1;
    if depth > DEPTH_MAX || *nodes > NODES_MAX {
        return Err(format!("The condition is too large: at most {DEPTH_MAX} levels and {NODES_MAX} parts."));
    }
    match value {
        Value::Object(members) => {
            let mut members = members.iter();
            let (Some((operator, operands)), None) = (members.next(), members.next()) else {
                return Err("Each object in a condition has exactly one member, the operator.".to_owned());
            };
            if !OPERATORS.contains(&operator.as_str()) {
                return Err(format!("There is no such operator. Known are: {}.", OPERATORS.join(" ")));
            }
            walk(operands, depth + 1, nodes)
        }
        Value::Array(items) => items.iter().try_for_each(|item| walk(item, depth + 1, nodes)),
        _ => Ok(()),
    }
}

pub(super) fn compile(engine: &Engine, logic: &Value) -> Result<Logic, datalogic_rs::Error> {
    engine.compile(logic)
}

/// Whether `logic` holds; one that fails on this context, say because it compares a text with a number, does not.
pub(super) fn holds<'a>(engine: &Engine, logic: &'a Logic, context: &'a DataValue<'a>, arena: &'a Bump) -> bool {
    engine.evaluate(logic, context, arena).is_ok_and(|value| engine.truthy(value))
}
