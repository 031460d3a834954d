//! The scopes that OpenID Connect gives a meaning (Core sections 3.1.2.1, 5.4 and 11).

/// An ID token, and the userinfo endpoint.
pub use super::id_token::OPENID;

/// The name, and when it was changed.
pub const PROFILE: &str = "profile";

/// The address, and whether it is confirmed.
pub const EMAIL: &str = "email";

/// To go on while the person is not there.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// All of them. Each is about a person, so a client that speaks for itself has none.
pub const STANDARD: &[&str] = &[OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];

/// Whether `scope` is one of them.
pub fn is_standard(scope: &str) -> bool {
    STANDARD.contains(&scope)
}

/// What a client may do for itself of `scope`, words separated by spaces: without what is about a person.
pub fn of_services(scope: &str) -> String {
    scope.split(' ').filter(|word| !is_standard(word)).collect::<Vec<_>>().join(" ")
}
