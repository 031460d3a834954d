//! Privacy: which version of which policy a person has accepted, when and from where.
//!
//! Owns the table `consents`.

mod consents;
mod routes;
mod store;

pub use consents::{Acceptance, check_acceptance, give, missing, pretend, replace, write};
pub use routes::routes;
pub use store::Consent;
pub use store::STATEMENTS;
