//! What roles grant, as a pure rule.

use keystead::access::{ROLES, SCOPES, scopes_of};

fn scopes(roles: &[&str]) -> Vec<&'static str> {
    scopes_of(&roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>())
}

#[test]
fn roles_grant_what_the_contract_says() {
    assert_eq!(scopes(&["admin"]), SCOPES);
    assert_eq!(scopes(&["auditor"]), ["audit:read", "flags:read", "jobs:read", "ops:read", "users:read"]);
    assert_eq!(scopes(&["user"]), Vec::<&str>::new());
    assert_eq!(scopes(&[]), Vec::<&str>::new());
}

#[test]
fn roles_add_up_and_unknown_ones_grant_nothing() {
    assert_eq!(scopes(&["user", "auditor", "admin", "admin"]), SCOPES);
    for odd in ["Admin", "admin ", "", "root", "*", "admin\0", "users:write"] {
        assert_eq!(scopes(&[odd]), Vec::<&str>::new(), "{odd:?}");
    }
    assert!(ROLES.contains(&"user") && SCOPES.is_sorted());
}
