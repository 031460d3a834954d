//! Every scope that guards a route, as a type and as a name.

use crate::http::guard::Scope;

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $scope:literal;)+) => {
        $($(#[$doc])* #[derive(Clone, Copy, Debug)] pub struct $name;
        impl Scope for $name { const NAME: &'static str = $scope; })+
        /// Everything a role can grant; `admin` has all of it, `auditor` what only reads.
        pub const SCOPES: &[&str] = &[$($scope),+];
    };
}

scopes! {
    /// Search, verify and export the audit trail.
    AuditRead = "audit:read";
    /// Register and change OAuth clients.
    ClientsWrite = "clients:write";
    /// See feature flags as they are configured.
    FlagsRead = "flags:read";
    /// Change feature flags.
    FlagsWrite = "flags:write";
    /// See the queue.
    JobsRead = "jobs:read";
    /// Try dead letters again.
    JobsWrite = "jobs:write";
    /// See and rotate signing keys.
    KeysWrite = "keys:write";
    /// Health in detail, figures, the doctor.
    OpsRead = "ops:read";
    /// Consume another subject's quota.
    QuotasWrite = "quotas:write";
    /// Ask about access tokens that were issued to other clients.
    TokensIntrospect = "tokens:introspect";
    /// Search and see accounts.
    UsersRead = "users:read";
    /// Change accounts.
    UsersWrite = "users:write";
}
