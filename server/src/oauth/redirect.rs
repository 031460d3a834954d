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
        "http" => Err("Plain http is for loopback addresses only: http://localhost/…, http://127.0.0.1/… or http://[::1]/…."),
        scheme if NEVER.contains(&scheme) => Err("This scheme is not one of an application."),
        // RFC 8252 section 7.1: a private-use scheme is a domain name in reverse, so that it has an owner.
        scheme if scheme.contains('.') && address.starts_with(scheme) => Ok(()),
        _ => Err("A private-use scheme is a reversed domain name in lower case, such as com.example.app:/callback."),
    }
}

/// The same for an address that this server calls itself: there is no application's own scheme.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn check_web(address: &str) -> Result<(), &'static str> {
    check(address)?;
    let web = address.starts_with("https://") || address.starts_with("http://");
    if web { Ok(()) } else { Err("Use an https address.") }
}

/// Whether `given` is one of the registered addresses: the same, letter by letter. Only a loopback address may name
/// another port than the registered one, because the machine gives those out (RFC 8252 section 7.3).
pub fn is_registered(registered: &[String], given: &str) -> bool {
    registered.iter().any(|known| known == given || is_same_but_port(known, given))
}

fn is_same_but_port(known: &str, given: &str) -> bool {
    let without_port = |address: &str| {
        let mut url = Url::parse(address).ok()?;
        // What was registered was checked; what is given must be of the same form, or a browser would go elsewhere.
        check(address).ok()?;
        if url.scheme() != "http" || matches!(url.host(), Some(Host::Domain(_)) | None) {
            return None;
        }
        url.set_port(None).ok()?;
        Some(url)
    };
    let (known, given) = (without_port(known), without_port(given));
    known.is_some() && known == given
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
