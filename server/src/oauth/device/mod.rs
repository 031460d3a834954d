//! Devices that cannot show a sign-in page ask to be signed in, and a person lets them in elsewhere (RFC 8628).
//!
//! A device begins ([`begin`]) and gets two codes: a long one to poll with and a short one to show ([`codes`]). A person who
//! is signed in types the short one, is told who asks and from where, and decides ([`approval`]); whoever decides first has
//! decided. The device learns of it at the token endpoint ([`grant`]), which begins a session of its client, once. How fast it
//! may poll is kept in its row, so all instances agree.
//!
//! An approval is worth as much as the session it was given in: when that has ended before the device came back, so has it.
//!
//! Owns the table `oauth_device_requests`.

mod approval;
mod begin;
mod codes;
mod grant;
mod page;
mod routes;
mod store;

pub use codes::{ALPHABET, normalise};
pub use page::page;
pub use routes::routes;
pub use store::{STATEMENTS, purge};

use crate::privacy::{Erasure, Holding, Kept, Records};

pub(super) use begin::PATH;
pub(super) use grant::redeem;

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "deviceRequests",
    title: "Devices that ask to be signed in",
    about: "Which device asked, from where, and that you decided.",
    tables: &[("oauth_device_requests", "user_id")],
    kept: Kept::Until("ten minutes after its codes expired"),
    erasure: Erasure::Detached,
    records: Records::Withheld("It is gone within minutes; your decision stands among the audit events."),
};

/// Counts sign-ins of devices by how far they came.
pub const DEVICE_SIGN_INS: &str = "keystead_device_sign_ins_total";

fn count(step: &'static str) {
    metrics::counter!(DEVICE_SIGN_INS, "step" => step).increment(1);
}
