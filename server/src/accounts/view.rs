//! A person as the API shows them.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use super::seal::{open_email, open_job_role, open_name};
use super::status::Status;
use super::store::UserRow;
use crate::secret::{PersonKey, SealError};
use crate::time::Timestamp;

/// `user` in every answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub struct UserBody {
    /// The person.
    pub id: Uuid,
    /// The address, normalised.
    pub email: String,
    /// The name.
    pub name: String,
    /// Free text: what they do. Not an authorization role.
    #[schema(required = true)]
    pub role: Option<String>,
    /// State of the account.
    pub status: Status,
    /// Whether the address is confirmed.
    pub email_verified: bool,
    /// Authorization roles.
    pub roles: Vec<String>,
    /// Sign-up.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Last use; lags by up to a minute.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_active_at: Option<Timestamp>,
}

/// A person opened once and read many times.
#[derive(Clone)]
pub struct PersonView {
    body: UserBody,
    /// `{"user": …}`, written once.
    pub json: bytes::Bytes,
    /// The address.
    pub email: String,
    /// The name.
    pub name: String,
    /// State of the account.
    pub status: Status,
    /// Authorization roles.
    pub roles: Vec<String>,
    /// Last change of what is known about them.
    pub updated_at: Timestamp,
    /// Counts changes.
    pub version: i64,
}

#[derive(Serialize)]
struct UserOnly<'a> {
    user: &'a UserBody,
}

impl PersonView {
    /// Opens a row with the person's key.
    pub fn open(row: &UserRow, key: &PersonKey) -> Result<Self, SealError> {
        let body = UserBody {
            id: row.id,
            email: open_email(key, row)?,
            name: open_name(key, row)?,
            role: open_job_role(key, row)?,
            status: row.status,
            email_verified: row.email_verified_at.is_some(),
            roles: row.roles.clone(),
            created_at: row.created_at,
            last_active_at: row.last_active_at,
        };
        // Strings and numbers always serialise.
        let json = serde_json::to_vec(&UserOnly { user: &body }).unwrap_or_default().into();
        let (email, name) = (body.email.clone(), body.name.clone());
        Ok(Self { email, name, status: row.status, roles: row.roles.clone(), updated_at: row.updated_at, version: row.version, json, body })
    }

    /// `user` of an answer.
    pub fn body(&self) -> UserBody {
        self.body.clone()
    }

    /// Whether the address is confirmed.
    pub fn email_verified(&self) -> bool {
        self.body.email_verified
    }
}

impl Serialize for PersonView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.body.serialize(serializer)
    }
}
