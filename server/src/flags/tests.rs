//! Feature flags (B3): configured, evaluated, served by OFREP, followed by every instance.

#[path = "tests/admin.rs"]
mod admin;
#[path = "tests/evaluation.rs"]
mod evaluation;
#[path = "tests/ofrep.rs"]
mod ofrep;

use serde_json::{Value, json};

use crate::support::{Instance, SignedIn};

/// A flag of two variants, off for everybody.
fn simple() -> Value {
    json!({"type": "boolean", "enabled": true, "variants": {"on": true, "off": false}, "defaultVariant": "off"})
}

/// The same with rules.
fn with_rules(rules: Value) -> Value {
    let mut flag = simple();
    flag["rules"] = rules;
    flag
}

/// Somebody who may configure flags.
async fn admin(instance: &Instance) -> SignedIn {
    let admin = instance.signed_up("root@example.com").await;
    instance.set_roles(&admin, "admin").await;
    admin
}
