//! The flags that Keystead itself looks at. They need not be configured: until they are, the default here holds.

use serde_json::{Value, json};

use super::definition::{Definition, Kind};

/// A flag in code.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    /// Its key.
    pub key: &'static str,
    /// What it switches.
    pub description: &'static str,
    /// What holds until it is configured.
    pub default: bool,
}

/// Whether clients may open the presence channel.
pub const REALTIME_PRESENCE: Declared =
    Declared { key: "realtime.presence", description: "Presence over WebSocket: who is here, joins and leaves.", default: true };

/// Every one of them.
pub const DECLARED: &[Declared] = &[REALTIME_PRESENCE];

impl Declared {
    /// As if somebody had configured it.
    pub fn definition(&self) -> Definition {
        let variants = [("on".to_owned(), Value::Bool(true)), ("off".to_owned(), json!(false))];
        Definition {
            kind: Kind::Boolean,
            enabled: true,
            variants: variants.into_iter().collect(),
            default_variant: if self.default { "on" } else { "off" }.to_owned(),
            off_variant: Some("off".to_owned()),
            description: Some(self.description.to_owned()),
            rules: Vec::new(),
        }
    }
}
