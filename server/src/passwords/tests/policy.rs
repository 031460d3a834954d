//! A3: which passwords are good enough, as a pure rule.

use keystead::config::Passwords;
use keystead::passwords::policy::{MAX_BYTES, check};
use proptest::prelude::*;

fn rules() -> Passwords {
    Passwords {
        argon2_memory_kib: 64,
        argon2_iterations: 1,
        argon2_parallelism: 1,
        hash_threads: 1,
        max_queue_wait: std::time::Duration::from_secs(2),
        min_length: 8,
        require_upper: true,
        require_lower: true,
        require_digit: true,
        min_strength: 2,
        reset_ttl: std::time::Duration::from_secs(3600),
        verify_ttl: std::time::Duration::from_secs(600),
    }
}

fn codes(password: &str, about: &[&str]) -> Vec<&'static str> {
    check(&rules(), "password", password, about).into_iter().map(|fault| fault.code).collect()
}

#[test]
fn every_failed_rule_is_named_at_once() {
    let table: &[(&str, &[&str])] = &[
        ("", &["required"]),
        ("abc", &["too_short", "missing_upper", "missing_digit", "too_weak"]),
        ("12345678", &["missing_upper", "missing_lower", "too_common"]),
        ("Password1", &["too_common"]),
        ("PASSWORD", &["missing_lower", "missing_digit", "too_common"]),
        ("Aaaaaaa1", &["too_common"]),
        ("Tall-Giraffe-Sings-42", &[]),
        ("Größe-Übermut-٣-fließt", &[]),
        ("Tall\0Giraffe-Sings-42", &["invalid_characters"]),
    ];
    for (password, expected) in table {
        assert_eq!(codes(password, &[]), *expected, "{password:?}");
    }
    assert_eq!(codes(&"Aa1".repeat(400), &[]), ["too_long"]);
    assert_eq!(codes(&"Aa1-".repeat(MAX_BYTES / 4), &[]), codes(&"Aa1-".repeat(16), &[]), "only the beginning is estimated");
}

#[test]
fn what_is_known_about_a_person_makes_a_password_weak() {
    let password = "Lovelace-Countess1";
    assert_eq!(codes(password, &[]), Vec::<&str>::new());
    assert_eq!(codes("Ada.Lovelace1", &["ada.lovelace1@example.com", "Ada.Lovelace1"]), ["too_weak"]);
}

proptest! {
    #[test]
    fn hostile_passwords_never_panic(password in any::<String>(), about in any::<String>()) {
        let _ = codes(&password, &[&about]);
    }

    #[test]
    fn long_passwords_are_estimated_quickly(password in "\\PC{900,1024}") {
        let _ = codes(&password, &[]);
    }
}
