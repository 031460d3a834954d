//! What the slice of accounts promises (A1, A10, A11, B7).

#[path = "tests/email.rs"]
mod email;
