//! A role as the API takes and shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::{ROLES_MAX, check_name};
use super::snapshot::{BUILT_IN, is_built_in};
use super::state::Roles;
use super::store::{self, Stored};
use crate::db::{Db, DbError};
use crate::time::Timestamp;

/// What a role shall be.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRole {
    /// What it is for. Not personal.
    #[schema(max_length = 200)]
    pub description: Option<String>,
    /// What it grants: scopes of Keystead, and of your application by whatever names it has for them.
    #[schema(max_items = 100)]
    pub scopes: Vec<String>,
}

/// A role.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Role)]
pub struct RoleView {
    /// As it stands in `roles` of accounts and tokens.
    pub name: String,
    /// What it is for.
    #[schema(required = true)]
    pub description: Option<String>,
    /// What it grants.
    pub scopes: Vec<String>,
    /// Part of every installation; it cannot be changed.
    pub built_in: bool,
    /// Counts changes; 0 for a built-in one.
    pub version: i64,
    /// When it was made.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub updated_at: Option<Timestamp>,
}

impl From<Stored> for RoleView {
    fn from(stored: Stored) -> Self {
        let Stored { name, description, scopes, version, created_at, updated_at } = stored;
        Self { name, description, scopes, built_in: false, version, created_at: Some(created_at), updated_at: Some(updated_at) }
    }
}

fn built_in(roles: &Roles, name: &str, description: &str) -> RoleView {
    let (known, held) = (roles.snapshot(), [name.to_owned()]);
    let scopes = known.scopes_of(&held).into_iter().map(str::to_owned).collect();
    RoleView {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        scopes,
        built_in: true,
        version: 0,
        created_at: None,
        updated_at: None,
    }
}

/// Every role: the built-in ones, then the others by name.
///
/// # Errors
/// The store does not answer.
pub async fn list(roles: &Roles, db: &Db) -> Result<Vec<RoleView>, DbError> {
    let own = store::all(db, ROLES_MAX).await?.into_iter().map(RoleView::from);
    Ok(BUILT_IN.iter().map(|(name, description)| built_in(roles, name, description)).chain(own).collect())
}

/// One role.
pub(super) async fn find(roles: &Roles, db: &Db, name: &str) -> Result<Option<RoleView>, DbError> {
    if is_built_in(name) {
        return Ok(BUILT_IN.iter().find(|(known, _)| *known == name).map(|(name, description)| built_in(roles, name, description)));
    }
    match check_name(name) {
        Ok(()) => Ok(store::find(db, name).await?.map(RoleView::from)),
        Err(_) => Ok(None),
    }
}
