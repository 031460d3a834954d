//! The scopes that OpenID Connect gives a meaning (Core sections 3.1.2.1, 5.4 and 11).

use crate::access::OPENID_SCOPES;
use crate::access::scope::PERSONAL;

/// An ID token, and the userinfo endpoint.
pub use super::id_token::OPENID;

/// The name, and when it was changed.
pub const PROFILE: &str = "profile";

/// The address, and whether it is confirmed.
pub const EMAIL: &str = "email";

/// To go on while the person is not there.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Those that mean something here, as discovery lists them.
pub const SUPPORTED: &[&str] = &[OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];

/// Whether `scope` is about a person, so that a client that speaks for itself has no use for it.
pub fn is_about_a_person(scope: &str) -> bool {
    OPENID_SCOPES.contains(&scope) || PERSONAL.contains(&scope)
}

/// What a client may do for itself of `scope`, words separated by spaces: without what is about a person.
pub fn of_services(scope: &str) -> String {
    scope.split(' ').filter(|word| !is_about_a_person(word)).collect::<Vec<_>>().join(" ")
}
