//! Opens a page for the person at the terminal, where there is a person, a terminal and a browser.

use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

use url::Url;

use super::address::is_safe;

/// Whether somebody sits before this program.
pub fn somebody_watches() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Opens `page`; false when that cannot be done here. Only what a browser may be given: never a file, never an option.
pub fn open(page: &str) -> bool {
    let Some(page) = Url::parse(page).ok().filter(is_safe) else { return false };
    let Some(opener) = opener() else { return false };
    let mut command = Command::new(opener);
    command.arg(page.as_str()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It goes on by itself, however long the browser lives.
    command.spawn().is_ok()
}

/// The program that opens pages; none on a machine without a screen, where it would open a browser inside the terminal.
fn opener() -> Option<&'static str> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match std::env::consts::OS {
        "macos" if !is_set("SSH_CONNECTION") => Some("open"),
        "macos" => None,
        _ if is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") => Some("xdg-open"),
        _ => None,
    }
}
