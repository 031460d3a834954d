//! E-mail addresses: one form for each, so that one address has one account.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::error::FieldError;

/// The longest address, in bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
const MAX_LENGTH: usize = 254;

/// A normalised address: trimmed, NFKC, lower case, the domain in its ASCII form, and one that mail can be sent to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// Why something is not an address; for the person who typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing was given.
    #[error("Enter an e-mail address.")]
    Empty,
    /// More than 254 bytes.
    #[error("The e-mail address is too long.")]
    TooLong,
    /// Not of the form `name@domain`.
    #[error("This does not look like an e-mail address.")]
    Invalid,
}

impl EmailError {
    /// Stable name of the rule.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::Invalid => "invalid_email",
        }
    }
}

impl Email {
    /// Normalises and checks what somebody typed.
    pub fn parse(typed: &str) -> Result<Self, EmailError> {
        // Looked at before normalising, so that a huge input costs nothing; NFKC can lengthen, so again after.
        if typed.len() > MAX_LENGTH * 4 {
            return Err(EmailError::TooLong);
        }
        let normalised = normalise(typed);
        if normalised.is_empty() {
            return Err(EmailError::Empty);
        }
        if normalised.len() > MAX_LENGTH {
            return Err(EmailError::TooLong);
        }
        if normalised.chars().any(|c| c.is_control() || c.is_whitespace() || is_invisible(c)) {
            return Err(EmailError::Invalid);
        }
        let address = lettre::Address::from_str(&normalised).map_err(|_| EmailError::Invalid)?;
        // Quoted local parts and address literals are legal and, in practice, always somebody's mistake or attack.
        if address.user().starts_with('"') || address.domain().starts_with('[') || address.user().len() > 64 {
            return Err(EmailError::Invalid);
        }
        let normalised = format!("{}@{}", address.user(), ascii_domain(address.domain())?);
        if normalised.len() > MAX_LENGTH {
            return Err(EmailError::TooLong);
        }
        Ok(Self(normalised))
    }

    /// The normalised address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The same for the member `email` of a request.
pub fn check_email(typed: &str) -> Result<Email, FieldError> {
    Email::parse(typed).map_err(|error| FieldError { field: "email".into(), code: error.code(), message: error.to_string().into() })
}

/// Lower-casing can undo NFKC and the other way round for a few characters, so it is repeated until it rests.
fn normalise(typed: &str) -> String {
    let mut text: String = typed.trim().nfkc().collect::<String>().trim().to_owned();
    for _ in 0..4 {
        let next: String = text.to_lowercase().nfkc().collect::<String>().trim().to_owned();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// A domain as the DNS has it (RFC 5891): `bücher.example` and `xn--bcher-kva.example` are one. Refuses IP
/// addresses, which lettre would take.
fn ascii_domain(domain: &str) -> Result<String, EmailError> {
    // A URL's host may be percent-encoded, an address's domain may not.
    if domain.bytes().any(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"-.".contains(&byte)) {
        return Err(EmailError::Invalid);
    }
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(domain)) if !domain.ends_with('.') => Ok(domain),
        _ => Err(EmailError::Invalid),
    }
}

/// Default_Ignorable_Code_Point of Unicode: two addresses that differ in one of these look the same.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

impl fmt::Debug for Email {
    /// Addresses are personal and do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}
