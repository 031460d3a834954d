//! Roles and the scopes they grant. The guard itself is an extractor: a route that takes
//! `Scoped<scope::UsersRead>` ([`crate::http::guard::Scoped`]) lets in who was granted that scope.

pub mod scope;

pub use scope::SCOPES;

/// The built-in roles.
pub const ROLES: &[&str] = &["user", "auditor", "admin"];

/// The scopes that `roles` grant together, each once, in the order of [`SCOPES`].
pub fn scopes_of(roles: &[String]) -> Vec<&'static str> {
    SCOPES.iter().copied().filter(|scope| grants(roles, scope)).collect()
}

/// Whether `roles` grant `scope`: `admin` everything, `auditor` what only reads.
pub fn grants(roles: &[String], scope: &str) -> bool {
    let has = |role: &str| roles.iter().any(|held| held == role);
    SCOPES.contains(&scope) && (has("admin") || (has("auditor") && scope.ends_with(":read")))
}
