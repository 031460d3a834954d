//! What the slice of privacy promises (P1, P5).

#[path = "tests/at_rest.rs"]
mod at_rest;
#[path = "tests/consents.rs"]
mod consents;
#[path = "tests/holdings.rs"]
mod holdings;
