//! Where people may be sent back to: an address is registered as it is and compared as it is.

use url::{Host, Url};

const LENGTH_MAX: usize = 2048;
/// Schemes that a browser acts on by itself, or that lead nowhere: never a place of an application (RFC 8252 section 7.1).
const NEVER: &[&str] = &["javascript", "data", "file", "blob", "about", "vbscript", "view-source", "filesystem", "ws", "wss", "ftp"];

/// Checks an address that is to be registered.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn check(address: &str) -> Result<(), &'static str> {
    if address.len() > LENGTH_MAX || !address.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err("Use at most 2048 visible ASCII characters.");
    }
    let url = Url::parse(address).map_err(|_| "Use an absolute address, such as https://app.example.com/callback.")?;
    if address.contains('#') {
        return Err("A redirect address has no fragment.");
    }
    if address.contains('*') {
        return Err("A redirect address is compared as it is; there are no wildcards.");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("A redirect address has no user name and no password.");
    }
    match url.scheme() {
        "https" => canonical(address, &url),
        "http" if is_loopback(&url) => canonical(address, &url),
        "http" => Err("Plain http is for loopback addresses only: http://127.0.0.1/… or http://[::1]/…."),
        scheme if NEVER.contains(&scheme) => Err("This scheme is not one of an application."),
        // RFC 8252 section 7.1: a private-use scheme is a domain name in reverse, so that it has an owner.
        scheme if scheme.contains('.') && address.starts_with(scheme) => Ok(()),
        _ => Err("A private-use scheme is a reversed domain name in lower case, such as com.example.app:/callback."),
    }
}

/// What a browser would make of it must be what was written: no `..`, no upper-case host, no default port.
fn canonical(address: &str, url: &Url) -> Result<(), &'static str> {
    let same = url.as_str() == address || url.as_str().strip_suffix('/') == Some(address);
    if same { Ok(()) } else { Err("Write the address as a browser shows it: lower-case host, no default port, no `.` or `..`.") }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
