//! What is asked of everybody who gets an account, whether they sign up or an operator creates it.

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::policy;
use crate::accounts::{self, Email, NewUser, Status, check_email, check_name, check_role};
use crate::app::App;
use crate::config::Passwords;
use crate::error::FieldError;
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// Words longer than this, in bytes, are no help to somebody who guesses passwords.
const ABOUT_MAX: usize = 256;

/// What was typed.
pub(super) struct Typed<'a> {
    pub email: &'a str,
    pub name: &'a str,
    pub role: Option<&'a str>,
    /// None where there is nothing to check, because a hash was brought along.
    pub password: Option<&'a SecretString>,
}

/// Somebody who may get an account.
pub struct Applicant {
    /// The address.
    pub email: Email,
    /// The name.
    pub name: String,
    /// The job role.
    pub role: Option<String>,
}

impl Applicant {
    /// Checks everything at once; what is wrong is added to `errors`.
    pub(super) fn check(policy: &Passwords, typed: &Typed<'_>, errors: &mut Vec<FieldError>) -> Option<Self> {
        let before = errors.len();
        let email = check_email(typed.email).map_err(|fault| errors.push(fault)).ok();
        let name = check_name(typed.name).map_err(|fault| errors.push(fault)).ok();
        if let Some(password) = typed.password {
            let about: Vec<&str> = [typed.email, typed.name].into_iter().filter(|word| word.len() <= ABOUT_MAX).collect();
            errors.extend(policy::check(policy, "password", password.expose_secret(), &about));
        }
        let role = check_role(typed.role.unwrap_or("")).map_err(|fault| errors.push(fault)).ok();
        match (email, name, role) {
            (Some(email), Some(name), Some(role)) if errors.len() == before => Some(Self { email, name, role }),
            _ => None,
        }
    }

    /// The row of their account, sealed; a plain user whose address is not confirmed.
    pub(super) fn row(
        &self,
        app: &App,
        id: Uuid,
        key: &PersonKey,
        password_hash: Option<String>,
        status: Status,
        now: Timestamp,
    ) -> NewUser {
        let mut new = NewUser {
            id,
            email_index: app.ground.keyring.blind_index("email", self.email.as_str()),
            email: Vec::new(),
            name: Vec::new(),
            job_role: None,
            status,
            roles: vec!["user".to_owned()],
            email_verified_at: None,
            password_hash,
            created_at: now,
            established_at: (status != Status::Pending).then_some(now),
        };
        accounts::seal_new(&mut new, key, &self.email, &self.name, self.role.as_deref());
        new
    }
}
