//! Privacy: what is held about people and how they get it, and which version of which policy a person has accepted, when and from where.
//!
//! A slice that holds personal data says so beside the data, as a [`Holding`]; `app::holdings()` lists all of them. Exports walk that
//! list, a test holds it against the tables, and another erases somebody and looks for what is left. What the parts below this slice
//! hold is declared here ([`beneath`]).
//!
//! Owns the table `consents`.

mod beneath;
mod consents;
pub mod holdings;
mod routes;
mod store;

pub use beneath::BENEATH;
pub use consents::{Acceptance, HOLDING, check_acceptance, give, missing, pretend, replace, write};
pub use holdings::{Asked, Erasure, Holding, Kept, Page, Reading, Records};
pub use routes::routes;
pub use store::Consent;
pub use store::STATEMENTS;
