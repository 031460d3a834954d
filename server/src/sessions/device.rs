//! What a session remembers of where it was opened, sealed under the person's key.

use uuid::Uuid;

use super::store::SealedDevice;
use crate::http::context::Origin;
use crate::secret::{PersonKey, Place};

/// The opened address and user agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

fn place<'a>(column: &'a str, session: &'a Uuid) -> Place<'a> {
    Place { table: "sessions", column, row: session.as_bytes() }
}

pub(super) fn seal_device(key: &PersonKey, session: Uuid, origin: &Origin) -> SealedDevice {
    SealedDevice {
        ip: origin.ip.map(|ip| key.seal(place("ip", &session), ip.to_string().as_bytes())),
        user_agent: origin.user_agent.as_ref().map(|agent| key.seal(place("user_agent", &session), agent.as_bytes())),
    }
}

/// What does not open is shown as unknown: a list of sessions must not fail because of one row.
pub(super) fn open_device(key: &PersonKey, session: Uuid, sealed: &SealedDevice) -> Device {
    let open = |column, bytes: &Option<Vec<u8>>| bytes.as_ref().and_then(|bytes| key.open_text(place(column, &session), bytes).ok());
    Device { ip: open("ip", &sealed.ip), user_agent: open("user_agent", &sealed.user_agent) }
}

/// A few words for a person: which browser on which system.
pub fn describe(user_agent: Option<&str>) -> String {
    let Some(agent) = user_agent else { return "Unknown device".to_owned() };
    let browsers = [
        ("Keystead-CLI/", "Keystead CLI"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find = |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (find(&browsers), find(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        // The product token of anything else (RFC 9110 section 10.1.5).
        (None, None) => agent
            .split([' ', '/'])
            .next()
            .filter(|name| !name.is_empty())
            .map_or_else(|| "Unknown device".to_owned(), |name| name.chars().take(40).collect()),
    }
}
