//! People: who they are, the state of their account, what they may change about themselves.
//!
//! Everything personal stands sealed under the person's own key; an address is found by its keyed blind
//! index. What other slices need of a person is a [`PersonView`], read from memory when it is warm
//! ([`People`]) and dropped on every instance when the person changes.
//!
//! This slice is low: it does not know sessions. That somebody lost access (suspended, deleted, erased) is
//! published inside the transaction to the listener that `app.rs` connects.
//!
//! Owns the table `users`.

mod address;
mod administrators;
mod administrators_store;
mod by;
pub mod directory;
mod email;
mod erasure;
mod holding;
pub mod import;
mod lifecycle;
mod people;
mod profile;
mod routes;
mod seal;
mod status;
pub mod store;
mod view;

pub use administrators::ProfileChange;
pub use administrators_store::STATEMENTS as ADMINISTRATOR_STATEMENTS;
pub use by::By;
pub use email::{Email, EmailError, check_email};
pub use erasure::Emptied;
pub use holding::{HOLDING, IMPORTS};
pub use lifecycle::{AccessLost, Lifecycle, LifecycleError};
pub use people::{CACHE, PERSON_CHANGED, People};
pub use profile::{check_name, check_role};
pub use routes::routes;
pub use seal::{open_email, seal_job_role, seal_name, seal_new};
pub use status::Status;
pub use store::{NewUser, STATEMENTS, UserRow, touch};
pub use view::{PersonView, UserBody};
