//! What each role grants, as a pure rule over one moment.

use std::collections::{BTreeMap, BTreeSet};

use super::store::Stored;
use crate::access::SCOPES;
use crate::time::Timestamp;

/// Grants everything.
pub const ADMIN: &str = "admin";
/// Grants what only reads.
const AUDITOR: &str = "auditor";
/// Grants nothing: what every person may do needs no scope.
const USER: &str = "user";

/// The built-in roles, with what they are for.
pub const BUILT_IN: &[(&str, &str)] = &[
    (USER, "Everybody: their own account and what is theirs"),
    (AUDITOR, "Sees everything and changes nothing: all scopes that only read"),
    (ADMIN, "Everything, the scopes of the application's own included"),
];

/// The roles of one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    custom: BTreeMap<String, Vec<String>>,
    /// Scopes that are not Keystead's and that some role grants.
    application: BTreeSet<String>,
    /// Of every role there was, deleted ones too.
    pub(super) versions: BTreeMap<String, i64>,
    /// The newest change that is in here.
    pub(super) newest: Timestamp,
}

impl Snapshot {
    /// The built-in roles and these.
    pub(super) fn new(stored: Vec<Stored>, versions: Vec<(String, i64)>) -> Self {
        let mut next = Self { versions: versions.into_iter().collect(), ..Self::default() };
        for role in stored {
            next.newest = next.newest.max(role.updated_at);
            next.application.extend(role.scopes.iter().filter(|scope| !SCOPES.contains(&scope.as_str())).cloned());
            next.custom.insert(role.name, role.scopes);
        }
        next
    }

    /// Whether `roles` together grant `scope`. A role that does not exist grants nothing.
    pub fn grants(&self, roles: &[String], scope: &str) -> bool {
        roles.iter().any(|role| match role.as_str() {
            ADMIN => true,
            AUDITOR => scope.ends_with(":read") && SCOPES.contains(&scope),
            USER => false,
            other => self.custom.get(other).is_some_and(|scopes| scopes.iter().any(|granted| granted == scope)),
        })
    }

    /// The scopes that `roles` grant together, each once: Keystead's in the order of [`SCOPES`], then the application's.
    pub fn scopes_of(&self, roles: &[String]) -> Vec<&str> {
        let all = SCOPES.iter().copied().chain(self.application.iter().map(String::as_str));
        all.filter(|scope| self.grants(roles, scope)).collect()
    }

    /// Whether roles decide who has `scope`: Keystead's own, and each that some role grants. Of others the registration of a client
    /// and the consent of a person decide.
    pub fn governs(&self, scope: &str) -> bool {
        SCOPES.contains(&scope) || self.application.contains(scope)
    }

    /// Whether there is such a role.
    pub fn has(&self, role: &str) -> bool {
        is_built_in(role) || self.custom.contains_key(role)
    }

    /// Every role by name, the built-in ones first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        BUILT_IN.iter().map(|(name, _)| *name).chain(self.custom.keys().map(String::as_str))
    }
}

/// Whether `role` is one that every installation has.
pub(super) fn is_built_in(role: &str) -> bool {
    BUILT_IN.iter().any(|(name, _)| *name == role)
}
