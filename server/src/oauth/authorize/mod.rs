//! Applications send people here, and get them back with a code (RFC 6749 section 4.1, OpenID Connect Core section 3.1).
//!
//! A request comes by the browser ([`endpoint`]) or was pushed before by the client itself ([`pushed`], RFC 9126). Either way it
//! is read and checked once ([`request`]), and from then on travels sealed: nothing is stored for people who have not decided,
//! so nobody can fill the database with requests. The page at `/authorize` ([`page`]) signs the person in and shows what is
//! asked; they decide ([`decision`]). What they agree to is remembered and can be taken back ([`consents`]). The code
//! ([`codes`]) is exchanged once, with the proof that it was this client's request ([`grant`]).
//!
//! Owns the tables `oauth_codes` and `oauth_consents`.

mod codes;
mod consents;
mod decision;
mod endpoint;
mod grant;
mod page;
mod pushed;
mod request;
mod routes;
mod send_back;
mod store;

pub use consents::{CODES, HOLDING};
pub use page::page;
pub use routes::routes;
pub use store::{STATEMENTS, purge};

pub(super) use endpoint::PATH;
pub(super) use grant::redeem;
pub(super) use pushed::PATH as PUSHED_PATH;
pub(super) use request::PROMPTS;

/// Counts authorization requests by what became of them.
pub const AUTHORIZATIONS: &str = "keystead_authorizations_total";

fn count(outcome: &'static str) {
    metrics::counter!(AUTHORIZATIONS, "outcome" => outcome).increment(1);
}
