//! Which passwords are good enough. Every rule that fails is named at once.

use std::borrow::Cow;

use zxcvbn::feedback::Warning;

use crate::config::Passwords;
use crate::error::FieldError;

/// The longest password, in bytes.
pub const MAX_BYTES: usize = 1024;
/// As much of a password as is estimated, in characters; estimating is quadratic in it.
const ESTIMATED_CHARS: usize = 64;

/// Checks `password` against the policy; `about` are words of the person that make a password guessable.
/// `field` is where it stood in the request.
pub fn check(policy: &Passwords, field: &'static str, password: &str, about: &[&str]) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut fault = |code: &'static str, message: Cow<'static, str>| faults.push(FieldError { field: field.into(), code, message });
    if password.is_empty() {
        fault("required", "Enter a password.".into());
        return faults;
    }
    if password.len() > MAX_BYTES {
        fault("too_long", format!("Use at most {MAX_BYTES} bytes.").into());
        return faults;
    }
    if password.contains('\0') {
        fault("invalid_characters", "Leave out the NUL character.".into());
    }
    if password.chars().count() < policy.min_length {
        fault("too_short", format!("Use at least {} characters.", policy.min_length).into());
    }
    if policy.require_upper && !password.chars().any(char::is_uppercase) {
        fault("missing_upper", "Use at least one upper-case letter.".into());
    }
    if policy.require_lower && !password.chars().any(char::is_lowercase) {
        fault("missing_lower", "Use at least one lower-case letter.".into());
    }
    if policy.require_digit && !password.chars().any(char::is_numeric) {
        fault("missing_digit", "Use at least one digit.".into());
    }
    let beginning: String = password.chars().take(ESTIMATED_CHARS).collect();
    let estimate = zxcvbn::zxcvbn(&beginning, about);
    let warning = estimate.feedback().and_then(|feedback| feedback.warning());
    if matches!(warning, Some(Warning::ThisIsATop10Password | Warning::ThisIsATop100Password | Warning::ThisIsACommonPassword)) {
        fault("too_common", "This is one of the passwords that are tried first. Choose another.".into());
    } else if u8::from(estimate.score()) < policy.min_strength {
        fault("too_weak", "This password is easy to guess. Make it longer, or use several unrelated words.".into());
    }
    faults
}
