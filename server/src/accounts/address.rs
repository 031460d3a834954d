//! Somebody gets another address from those who run the installation.
//!
//! The address is what a person signs in with and where their links go, so whoever has the old one must not get in by it any more:
//! sessions, tokens and links end as they do when somebody loses access, codes for the old address are void, and the new one counts
//! for nothing until it is confirmed by a code that is mailed there. The old address is told, if it was theirs.

use uuid::Uuid;

use super::administrators::can_do_without;
use super::administrators_store as store;
use super::by::By;
use super::email::Email;
use super::lifecycle::{Lifecycle, last_administrator};
use super::seal::seal_email;
use super::status::Status;
use super::store::find;
use crate::audit::{self, Event, Target};
use crate::codes::{self, NewCode, Purpose};
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::mail::{self, Letter};
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// What putting another address in the place of the old one takes.
pub(super) struct Address {
    person: Uuid,
    index: [u8; 32],
    sealed: Vec<u8>,
    /// It is to be confirmed before anybody signs in.
    confirm: bool,
    code: Option<NewCode>,
    /// To whom, and what.
    letters: Vec<(String, Letter)>,
    event: Event,
    now: Timestamp,
}

impl Address {
    /// Nothing when the person has this address already.
    ///
    /// # Errors
    /// `not_found`; a part that this needs does not answer.
    pub(super) async fn new(
        of: &Lifecycle,
        person: Uuid,
        key: &PersonKey,
        email: &Email,
        by: &By,
        now: Timestamp,
    ) -> Result<Option<Self>, Problem> {
        let ground = of.ground();
        let row = find(&ground.db, person).await?.ok_or(Code::NotFound)?;
        let view = of.people().opened(&row, key)?;
        if view.email == email.as_str() {
            return Ok(None);
        }
        let confirm = ground.settings.accounts.require_verified_email;
        let waits = confirm && matches!(row.status, Status::Active | Status::Pending);
        let changed = Letter::EmailChanged { name: view.name.clone(), at: now.to_rfc3339() };
        let mut letters = Vec::new();
        if row.email_verified_at.is_some() {
            letters.push((view.email.clone(), changed.clone()));
        }
        let ttl = ground.settings.passwords.verify_ttl;
        let issued =
            waits.then(|| NewCode::digits(ground, ground.random.uuid(now), Purpose::VerifyEmail, person, None, now, now.plus(ttl)));
        let (code, letter) = match issued {
            Some(issued) => {
                let letter = Letter::VerifyEmail { name: view.name.clone(), code: issued.secret, minutes: ttl.as_secs() / 60 };
                (Some(issued.code), letter)
            }
            None => (None, changed),
        };
        letters.push((email.as_str().to_owned(), letter));
        let event = by.event(ground, audit::USER_EMAIL_CHANGED, Target::user(person), now).detail("toBeConfirmed", waits);
        let (index, sealed) = (ground.keyring.blind_index("email", email.as_str()), seal_email(key, person, email));
        Ok(Some(Self { person, index, sealed, confirm, code, letters, event, now }))
    }

    /// Puts it in place.
    ///
    /// # Errors
    /// `conflict` when somebody has the address, or nobody would be left who can administer.
    pub(super) async fn put(&self, of: &Lifecycle, tx: &mut Tx) -> Result<(), Problem> {
        if self.confirm && !can_do_without(tx, self.person).await? {
            return Err(last_administrator());
        }
        match store::set_email(tx, self.person, self.index, self.sealed.clone(), self.confirm, self.now).await {
            Ok(true) => {}
            Ok(false) => return Err(Code::NotFound.into()),
            Err(DbError::Unique(_)) => return Err(Problem::new(Code::Conflict).detail("This e-mail address has an account already.")),
            Err(error) => return Err(error.into()),
        }
        of.tell(tx, self.person, self.now).await?;
        codes::void(tx, Purpose::VerifyEmail, self.person, self.now).await?;
        if let Some(code) = &self.code {
            codes::issue(tx, code).await?;
        }
        for (to, letter) in &self.letters {
            mail::post(tx, &of.ground().jobs, to, letter.clone(), self.now).await?;
        }
        audit::record(tx, &self.event).await?;
        Ok(())
    }
}
