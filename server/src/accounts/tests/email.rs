//! One form for each address, as a pure rule.

use keystead::accounts::{Email, EmailError, check_name, check_role};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

#[test]
fn one_form_for_each_address() {
    let table = [
        ("ada@example.com", "ada@example.com"),
        ("  Ada@Example.COM\t", "ada@example.com"),
        ("ADA+tag@example.com", "ada+tag@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        // Compatibility forms: full width, ligature, superscript, the Kelvin sign.
        ("ＡＤＡ＠example．com", "ada@example.com"),
        ("oﬃce@example.com", "office@example.com"),
        ("x²@example.com", "x2@example.com"),
        ("\u{212a}elvin@example.com", "kelvin@example.com"),
        // Composed and decomposed letters are one.
        ("jose\u{301}@example.com", "jos\u{e9}@example.com"),
        ("JOS\u{c9}@example.com", "jos\u{e9}@example.com"),
        ("ΟΔΥΣΣΕΥΣ@example.com", "οδυσσευς@example.com"),
        // A domain is what the DNS has, however it is written.
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("ada@localhost", "ada@localhost"),
    ];
    for (typed, expected) in table {
        assert_eq!(Email::parse(typed).as_ref().map(Email::as_str), Ok(expected), "{typed:?}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long = format!("a@{}.com", ["b".repeat(60).as_str(); 5].join("."));
    let huge = "a".repeat(100_000);
    let table = [
        ("", EmailError::Empty),
        (" \t\u{3000}", EmailError::Empty),
        ("ada", EmailError::Invalid),
        ("@example.com", EmailError::Invalid),
        ("ada@", EmailError::Invalid),
        ("ada@@example.com", EmailError::Invalid),
        ("ada@exa mple.com", EmailError::Invalid),
        ("ada@example.com\r\nBcc: eve@example.com", EmailError::Invalid),
        ("ada\0@example.com", EmailError::Invalid),
        ("ada@example..com", EmailError::Invalid),
        ("ada@.example.com", EmailError::Invalid),
        ("ada@example.com.", EmailError::Invalid),
        ("\"ada lovelace\"@example.com", EmailError::Invalid),
        ("ada@[192.0.2.1]", EmailError::Invalid),
        ("ada@192.0.2.1", EmailError::Invalid),
        ("ada@0x7f.1", EmailError::Invalid),
        ("<ada@example.com>", EmailError::Invalid),
        ("Ada <ada@example.com>", EmailError::Invalid),
        ("ada@example.com,eve@example.com", EmailError::Invalid),
        ("ada@exa%6dple.com", EmailError::Invalid),
        ("ada@example.com/path", EmailError::Invalid),
        ("ada@example.com:25", EmailError::Invalid),
        // Characters that nobody sees: two accounts that look like one.
        ("ad\u{200b}a@example.com", EmailError::Invalid),
        ("ada\u{ad}@example.com", EmailError::Invalid),
        ("\u{202e}ada@example.com", EmailError::Invalid),
        ("ada\u{e0041}@example.com", EmailError::Invalid),
        (&long_local, EmailError::Invalid),
        (&long, EmailError::TooLong),
        (&huge, EmailError::TooLong),
    ];
    for (typed, expected) in table {
        assert_eq!(Email::parse(typed).map(|email| email.as_str().to_owned()), Err(expected), "{typed:?}");
    }
}

#[test]
fn an_address_does_not_print() {
    assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "Email(…)");
}

/// What people and attackers type: letters of many scripts, signs, invisible and unassigned characters.
fn typed() -> impl Strategy<Value = String> {
    let local = prop_oneof!["[a-zA-Z0-9.+_-]{1,20}", "\\PC{1,12}", any::<String>()];
    let domain = prop_oneof!["[a-zA-Z0-9-]{1,20}\\.[a-zA-Z]{2,6}", "\\PC{1,12}\\.com", any::<String>()];
    (local, prop_oneof![Just("@"), Just("＠"), Just("")], domain).prop_map(|(local, at, domain)| format!("{local}{at}{domain}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Never a panic, and a form that stays what it is.
    #[test]
    fn the_form_is_final(typed in typed()) {
        if let Ok(email) = Email::parse(&typed) {
            let form = email.as_str();
            let again = Email::parse(form);
            prop_assert_eq!(again.as_ref().map(Email::as_str), Ok(form));
            prop_assert_eq!(form.trim(), form);
            prop_assert_eq!(form.nfkc().collect::<String>(), form);
            prop_assert_eq!(form.to_lowercase(), form);
            prop_assert!(form.len() <= 254 && form.matches('@').count() == 1);
            prop_assert!(!form.chars().any(|c| c.is_control() || c.is_whitespace()));
        }
    }

    /// However it is written, it is the same address.
    #[test]
    fn case_and_blanks_do_not_matter(local in "[a-zA-Zà-öÀ-Ö0-9+_-]{1,20}", domain in "[a-zA-Z]{1,10}\\.[a-zA-Z]{2,4}") {
        let form = |text: String| Email::parse(&text).map(|email| email.as_str().to_owned());
        let plain = form(format!("{local}@{domain}"));
        prop_assert!(plain.is_ok());
        prop_assert_eq!(&form(format!(" {}@{}\n", local.to_uppercase(), domain.to_uppercase())), &plain);
        prop_assert_eq!(&form(format!("{local}@{domain}").nfd().collect()), &plain);
    }

    #[test]
    fn names_and_roles_never_panic(typed in any::<String>()) {
        for text in [check_name(&typed).ok(), check_role(&typed).ok().flatten()].into_iter().flatten() {
            prop_assert!(!text.is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control));
            prop_assert_eq!(check_name(&text).ok(), Some(text));
        }
    }
}
