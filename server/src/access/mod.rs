//! Roles and the scopes they grant. Guards themselves are extractors ([`crate::http::guard`]).

/// Everything a role can grant; `admin` has all of it, `auditor` what only reads.
pub const SCOPES: &[&str] = &[
    "audit:read",
    "clients:write",
    "flags:read",
    "flags:write",
    "jobs:read",
    "jobs:write",
    "keys:write",
    "ops:read",
    "quotas:write",
    "users:read",
    "users:write",
];

/// The built-in roles.
pub const ROLES: &[&str] = &["user", "auditor", "admin"];

/// The scopes that `roles` grant together, each once, in the order of [`SCOPES`].
pub fn scopes_of(roles: &[String]) -> Vec<&'static str> {
    let has = |role: &str| roles.iter().any(|held| held == role);
    let (admin, auditor) = (has("admin"), has("auditor"));
    SCOPES.iter().copied().filter(|scope| admin || (auditor && scope.ends_with(":read"))).collect()
}
