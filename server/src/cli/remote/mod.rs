//! A Keystead elsewhere, as the commands `login`, `whoami` and `logout` speak to it.
//!
//! Nothing here knows this machine's settings: the commands work from any machine against any server. A server is named by
//! its [`address`]; [`server`] finds its endpoints and sends requests; [`device`] waits until somebody approves; tokens are
//! kept in a file of their own ([`credentials`]) and renewed when they run out ([`tokens`]), once, however many commands run.
//!
//! What a server says is shown to people only after [`plain`] took away whatever would steer their terminal.

pub mod address;
pub mod browser;
pub mod credentials;
pub mod device;
pub mod server;
pub mod tokens;
pub mod whoami;

use super::Failure;
use address::Address;
use credentials::Credentials;
use server::Server;

/// Where development servers listen.
const NEARBY: &str = "http://localhost:8080";

/// The server that is meant: the one named, else the one signed in to last, else the one on this machine.
///
/// # Errors
/// The credentials cannot be read.
pub fn meant(named: Option<Address>, credentials: &Credentials) -> Result<Address, Failure> {
    let known = match named {
        Some(named) => Some(named),
        None => credentials.read()?.current().and_then(|current| Address::parse(current).ok()),
    };
    known.map_or_else(|| Address::parse(NEARBY).map_err(|wrong| Failure::usage(wrong, "Name the server with --server.")), Ok)
}

/// What to do about a person who is not signed in.
pub fn not_signed_in(server: &Address) -> Failure {
    Failure::failed(format!("You are not signed in to {server}."), format!("Sign in with `keystead login --server {server}`."))
}

/// A server's words without what would steer a terminal.
pub fn plain(words: &str) -> String {
    words.chars().filter(|c| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')).take(500).collect()
}

/// The server behind an address.
///
/// # Errors
/// This machine cannot open connections.
pub fn reach(address: &Address) -> Result<Server, Failure> {
    Server::new(address.clone())
}
