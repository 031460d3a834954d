//! What a scope is, as a pure rule.

use keystead::access::{SCOPE_MAX, SCOPES, is_scope};

#[test]
fn every_scope_is_one_and_stands_once_in_order() {
    assert!(SCOPES.is_sorted_by(|one, next| one < next));
    assert!(SCOPES.iter().all(|scope| is_scope(scope) && (scope.ends_with(":read") || !scope.contains(":read"))));
}

#[test]
fn a_scope_is_a_word_of_visible_ascii() {
    for good in ["a", "reports:read", "https://api.example.com/x", "!", &"x".repeat(SCOPE_MAX)] {
        assert!(is_scope(good), "{good:?}");
    }
    for bad in ["", " ", "a b", "a\"b", "a\\b", "ä", "a\n", "\0", &"x".repeat(SCOPE_MAX + 1)] {
        assert!(!is_scope(bad), "{bad:?}");
    }
}
