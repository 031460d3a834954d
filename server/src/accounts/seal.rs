//! The sealed columns of `users`, sealed and opened in one place.

use uuid::Uuid;

use super::email::Email;
use super::store::{NewUser, UserRow};
use crate::secret::{PersonKey, Place, SealError};

const TABLE: &str = "users";

fn place<'a>(column: &'a str, id: &'a Uuid) -> Place<'a> {
    Place { table: TABLE, column, row: id.as_bytes() }
}

/// Seals the personal columns of a new person.
pub fn seal_new(new: &mut NewUser, key: &PersonKey, email: &Email, name: &str, job_role: Option<&str>) {
    new.email = seal_email(key, new.id, email);
    new.name = seal_name(key, new.id, name);
    new.job_role = job_role.map(|role| seal_job_role(key, new.id, role));
}

/// Seals an address.
pub(super) fn seal_email(key: &PersonKey, id: Uuid, email: &Email) -> Vec<u8> {
    key.seal(place("email", &id), email.as_str().as_bytes())
}

/// Seals a name.
pub fn seal_name(key: &PersonKey, id: Uuid, name: &str) -> Vec<u8> {
    key.seal(place("name", &id), name.as_bytes())
}

/// Seals a job role.
pub fn seal_job_role(key: &PersonKey, id: Uuid, role: &str) -> Vec<u8> {
    key.seal(place("job_role", &id), role.as_bytes())
}

/// The address of a row.
pub fn open_email(key: &PersonKey, row: &UserRow) -> Result<String, SealError> {
    key.open_text(place("email", &row.id), &row.email)
}

pub(super) fn open_name(key: &PersonKey, row: &UserRow) -> Result<String, SealError> {
    key.open_text(place("name", &row.id), &row.name)
}

pub(super) fn open_job_role(key: &PersonKey, row: &UserRow) -> Result<Option<String>, SealError> {
    row.job_role.as_ref().map(|sealed| key.open_text(place("job_role", &row.id), sealed)).transpose()
}
