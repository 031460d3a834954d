//! One line, read and checked: everything that is wrong with it at once.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::LineError;
use crate::accounts::{Email, Status, UserBody, UserRow, check_email, check_name, check_role};
use crate::error::FieldError;
use crate::roles::HELD_MAX;
use crate::secret::password::{UnknownHash, parse};
use crate::time::Timestamp;

/// A line of an import, and of an export.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportLine {
    /// The address; whoever has it already is skipped.
    email: String,
    /// The name.
    name: String,
    /// The job role.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// The address is known to be theirs; otherwise they confirm it at their first sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    /// The account stays suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended: Option<bool>,
    /// Authorization roles; `user` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    /// When the account was opened there (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    /// The hash as the other system wrote it; Firebase's as an object. Without one, the person asks for a reset link.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<Json>,
}

/// A person who can be imported.
pub(super) struct Entry {
    pub email: Email,
    pub name: String,
    pub role: Option<String>,
    pub roles: Vec<String>,
    pub verified: bool,
    pub suspended: bool,
    pub created_at: Option<Timestamp>,
    pub hash: Option<String>,
}

impl Entry {
    /// Reads line `number`. `grantable` are the roles that whoever imports may give.
    pub(super) fn read(number: u64, line: &[u8], grantable: &[String], now: Timestamp) -> Result<Self, Vec<LineError>> {
        let wrong =
            |code: &'static str, message: &str| vec![LineError { line: number, code: Cow::Borrowed(code), message: message.to_owned() }];
        let typed: ImportLine = serde_json::from_slice(line).map_err(|error| {
            if error.is_data() {
                // Only the name of a member is repeated, never its value: it may be a hash.
                let text = error.to_string();
                let named = ["unknown field", "missing field", "duplicate field"].iter().any(|start| text.starts_with(start));
                let said = text.split(" at line ").next().filter(|_| named).unwrap_or("a member has the wrong type");
                return wrong("invalid_line", &format!("This is not a person to import: {}.", said.chars().take(200).collect::<String>()));
            }
            wrong("invalid_json", "This line is not a JSON object. Write one object a line.")
        })?;
        typed.check(grantable, now).map_err(|faults| {
            faults.into_iter().map(|fault| LineError { line: number, code: Cow::Borrowed(fault.code), message: told(&fault) }).collect()
        })
    }
}

fn told(fault: &FieldError) -> String {
    format!("{}: {}", fault.field, fault.message)
}

impl ImportLine {
    /// The line that makes the account of `row`, as `person` shows it, once more. Whose password it is must be known: one that was
    /// chosen for an address which several people claim is left out, and so is every one without `passwords`.
    pub(super) fn of(row: &UserRow, person: UserBody, passwords: bool) -> Self {
        let hash = row.password_hash.clone().filter(|_| passwords && row.contested_at.is_none());
        Self {
            email: person.email,
            name: person.name,
            role: person.role,
            email_verified: Some(person.email_verified),
            suspended: (person.status == Status::Suspended).then_some(true),
            roles: Some(person.roles),
            created_at: Some(person.created_at.to_rfc3339()),
            password_hash: hash.map(Json::String),
        }
    }

    fn check(self, grantable: &[String], now: Timestamp) -> Result<Entry, Vec<FieldError>> {
        let mut faults = Vec::new();
        let email = check_email(&self.email).map_err(|fault| faults.push(fault)).ok();
        let name = check_name(&self.name).map_err(|fault| faults.push(fault)).ok();
        let role = check_role(self.role.as_deref().unwrap_or("")).map_err(|fault| faults.push(fault)).ok();
        let roles = check_roles(self.roles, grantable).map_err(|fault| faults.push(fault)).ok();
        let created_at = check_time(self.created_at.as_deref(), now).map_err(|fault| faults.push(fault)).ok();
        let hash = check_hash(self.password_hash).map_err(|fault| faults.push(fault)).ok();
        match (email, name, role, roles, created_at, hash) {
            (Some(email), Some(name), Some(role), Some(roles), Some(created_at), Some(hash)) => {
                let (verified, suspended) = (self.email_verified.unwrap_or(false), self.suspended.unwrap_or(false));
                Ok(Entry { email, name, role, roles, verified, suspended, created_at, hash })
            }
            _ => Err(faults),
        }
    }
}

fn fault(field: &'static str, code: &'static str, message: impl Into<Cow<'static, str>>) -> FieldError {
    FieldError { field: field.into(), code, message: message.into() }
}

fn check_roles(typed: Option<Vec<String>>, grantable: &[String]) -> Result<Vec<String>, FieldError> {
    let mut roles: Vec<String> = Vec::new();
    for role in typed.unwrap_or_else(|| vec!["user".to_owned()]) {
        if !grantable.contains(&role) {
            return Err(fault("roles", "unknown_role", format!("Use roles that exist and that you may give: {}.", grantable.join(", "))));
        }
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    if roles.is_empty() {
        return Err(fault("roles", "required", "Give at least one role, such as user, or leave the member out."));
    }
    if roles.len() > HELD_MAX {
        return Err(fault("roles", "too_many", format!("Give at most {HELD_MAX} roles.")));
    }
    Ok(roles)
}

fn check_time(typed: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, FieldError> {
    let Some(typed) = typed else { return Ok(None) };
    match Timestamp::parse_rfc3339(typed) {
        Some(at) if at <= now => Ok(Some(at)),
        Some(_) => Err(fault("createdAt", "in_the_future", "This is in the future.")),
        None => Err(fault("createdAt", "invalid_time", "Write the time as in 2024-05-01T12:00:00Z (RFC 3339).")),
    }
}

fn check_hash(typed: Option<Json>) -> Result<Option<String>, FieldError> {
    let text = match typed {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::String(text)) => text.trim().to_owned(),
        Some(object @ Json::Object(_)) => object.to_string(),
        Some(_) => return Err(fault("passwordHash", "unknown_hash", "A password hash is a string, or an object for Firebase's.")),
    };
    match parse(&text) {
        Ok(_) => Ok(Some(text)),
        Err(error @ UnknownHash::Format) => Err(fault("passwordHash", "unknown_hash", error.to_string())),
        Err(error @ UnknownHash::Malformed) => Err(fault("passwordHash", "malformed_hash", error.to_string())),
        Err(error @ UnknownHash::TooCostly) => Err(fault("passwordHash", "costly_hash", error.to_string())),
    }
}
