//! What people may put into their profile.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use crate::error::FieldError;

/// The longest name and job role, in characters.
pub const TEXT_MAX: usize = 200;

/// A name, trimmed and in NFC.
pub fn check_name(typed: &str) -> Result<String, FieldError> {
    let name = check_text("name", typed)?;
    if name.is_empty() {
        return Err(FieldError { field: "name".into(), code: "required", message: "Enter your name.".into() });
    }
    Ok(name)
}

/// A job role, trimmed and in NFC; empty means none.
pub fn check_role(typed: &str) -> Result<Option<String>, FieldError> {
    check_text("role", typed).map(|role| (!role.is_empty()).then_some(role))
}

fn check_text(field: &'static str, typed: &str) -> Result<String, FieldError> {
    let refuse = |code, message: Cow<'static, str>| Err(FieldError { field: field.into(), code, message });
    // Bytes first, so that a huge input is refused before it is normalised.
    if typed.len() > TEXT_MAX * 8 || typed.chars().count() > TEXT_MAX {
        return refuse("too_long", format!("Use at most {TEXT_MAX} characters.").into());
    }
    let text: String = typed.trim().nfc().collect();
    if text.chars().count() > TEXT_MAX {
        return refuse("too_long", format!("Use at most {TEXT_MAX} characters.").into());
    }
    if text.chars().any(char::is_control) {
        return refuse("invalid_characters", "Use only visible characters.".into());
    }
    Ok(text)
}
