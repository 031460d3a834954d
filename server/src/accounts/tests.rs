//! What the slice of accounts promises (A1, A10, A11, B7).

#[path = "tests/email.rs"]
mod email;
#[path = "tests/erasure.rs"]
mod erasure;
#[path = "tests/import.rs"]
mod import;
#[path = "tests/large_import.rs"]
mod large_import;
#[path = "tests/lifecycle.rs"]
mod lifecycle;
#[path = "tests/profile.rs"]
mod profile;
