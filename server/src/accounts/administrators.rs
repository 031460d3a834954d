//! What administrators change about others, and that one of them stays.
//!
//! An installation without an administrator can only be mended from its machine. So whoever could be the last one is held, with
//! all others, until the change is committed: two who demote each other at the same moment come one after the other.

use uuid::Uuid;

use super::address::Address;
use super::administrators_store as store;
use super::by::By;
use super::email::Email;
use super::lifecycle::{Lifecycle, LifecycleError, last_administrator};
use super::seal::{seal_job_role, seal_name};
use crate::audit::{self, Target};
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::roles;
use crate::time::Timestamp;

/// Whether somebody else is an active administrator, or `person` is none; true holds until `tx` ends.
pub(super) async fn can_do_without(tx: &mut Tx, person: Uuid) -> Result<bool, DbError> {
    Ok(store::hold_administrators(tx).await? != [person])
}

/// What to change of a profile; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// Another address.
    pub email: Option<Email>,
    /// Another name, checked.
    pub name: Option<String>,
    /// Another job role, checked; `Some(None)` takes it away.
    pub job_role: Option<Option<String>>,
}

/// The refusal of a change that found no row: the account changed meanwhile, or is none any more.
fn not_changed(version: Option<i64>) -> Problem {
    if version.is_some() { Code::VersionConflict.into() } else { Code::NotFound.into() }
}

impl Lifecycle {
    /// Gives somebody exactly `roles`, which exist; with `version`, only while that is what the account is.
    ///
    /// # Errors
    /// `not_found`, `version_conflict`; `conflict` for the last administrator and for a role that was deleted meanwhile.
    pub async fn set_roles(&self, person: Uuid, roles: Vec<String>, version: Option<i64>, by: By, now: Timestamp) -> Result<(), Problem> {
        let stays = roles.iter().any(|role| role == roles::ADMIN);
        let event = by.event(self.ground(), audit::USER_ROLES_CHANGED, Target::user(person), now).detail("roles", roles.join(" "));
        let people = self.people().clone();
        self.ground()
            .db
            .write(async move |tx| {
                if !stays && !can_do_without(tx, person).await? {
                    return Err(last_administrator());
                }
                if !roles::hold(tx, &roles).await? {
                    return Err(Problem::new(Code::Conflict).detail("One of the roles was deleted a moment ago."));
                }
                if !store::set_roles(tx, person, &roles, version, now).await? {
                    return Err(not_changed(version));
                }
                audit::record(tx, &event).await?;
                people.changed_on_commit(tx, person);
                Ok(())
            })
            .await
    }

    /// Changes somebody's profile; with `version`, only while that is what the account is. With another address they are signed out
    /// everywhere ([`Address`]).
    ///
    /// # Errors
    /// `not_found`, `version_conflict`; `conflict` for an address that somebody has, and for that of the last administrator.
    pub async fn set_profile(
        &self,
        person: Uuid,
        change: ProfileChange,
        version: Option<i64>,
        by: By,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let key = self.ground().keyring.get(person).await.map_err(LifecycleError::from)?;
        let name = change.name.map(|name| seal_name(&key, person, &name));
        let job_role = change.job_role.map(|role| role.map(|role| seal_job_role(&key, person, &role)));
        let address = match &change.email {
            Some(email) => Address::new(self, person, &key, email, &by, now).await?,
            None => None,
        };
        let event = by.event(self.ground(), audit::USER_UPDATED, Target::user(person), now);
        let (this, people) = (self.clone(), self.people().clone());
        self.ground()
            .db
            .write(async move |tx| {
                if !store::set_profile(tx, person, name.clone(), job_role.clone(), version, now).await? {
                    return Err(not_changed(version));
                }
                if let Some(address) = &address {
                    address.put(&this, tx).await?;
                }
                audit::record(tx, &event).await?;
                people.changed_on_commit(tx, person);
                Ok(())
            })
            .await
    }
}
