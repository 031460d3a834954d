//! Scopes: what routes ask for and what tokens carry. Which role grants which is for [`crate::roles`] to say.
//!
//! The guard itself is an extractor: a route that takes `Scoped<scope::UsersRead>` ([`crate::http::guard::Scoped`]) lets in who
//! was granted that scope.

pub mod scope;

pub use scope::SCOPES;

/// The longest scope, in characters.
pub const SCOPE_MAX: usize = 64;

/// What OpenID Connect and OAuth give a meaning of their own (OpenID Connect Core sections 5.4 and 11).
pub const OPENID_SCOPES: &[&str] = &["openid", "profile", "email", "address", "phone", "offline_access"];

/// Whether `word` is a scope as RFC 6749 section 3.3 writes one.
pub fn is_scope(word: &str) -> bool {
    (1..=SCOPE_MAX).contains(&word.len()) && word.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
