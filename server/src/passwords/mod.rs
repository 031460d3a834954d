//! Passwords: sign-up, confirmation of the address, sign-in, lockout, reset, change, policy.
//!
//! Nothing here tells whether an account exists. A wrong password and an unknown address cost one hash and
//! the same statements; what depends on an account (whom to mail, what) is decided by a job after the
//! answer. Failed sign-ins are counted per address, existing or not ([`lockout`]); of parallel guesses no
//! more get through than tries are left ([`attempts`]).
//!
//! Owns the table `login_failures`. Writes people through `accounts`, sessions through `sessions`.

mod applicant;
pub mod attempts;
mod change;
mod confirm;
mod create;
mod letters;
mod links;
pub mod lockout;
mod login;
pub mod policy;
mod reset;
mod routes;
mod signup;
mod store;

pub use attempts::Attempts;
pub use create::{Credential, NewAccount, create};
pub use letters::handlers;
pub use links::Links;
pub use lockout::{locked_until, unlock};
pub use routes::routes;
pub use store::{STATEMENTS, purge as purge_failures};

use crate::privacy::{Erasure, Holding, Kept, Records};

/// What this slice holds about people, besides the hash that stands in their profile.
pub const HOLDING: Holding = Holding {
    name: "failedSignIns",
    title: "Failed sign-ins",
    about: "How often signing in to an address failed lately, by a keyed hash of the address.",
    tables: &[("login_failures", "email_index")],
    kept: Kept::Until("a day, and as long as a lock holds"),
    erasure: Erasure::Detached,
    records: Records::Withheld("It is a counter; each refusal stands among the audit events."),
};
