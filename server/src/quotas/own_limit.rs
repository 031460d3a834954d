//! A limit of somebody's own: higher for who paid for it, 0 for who misused it; for good or until an instant.

use super::ask::Ask;
use super::consume::settled;
use super::counter::OwnLimit;
use super::store;
use crate::accounts::By;
use crate::app::App;
use crate::audit::{self, Target};
use crate::db::Tx;
use crate::error::{Code, Problem};

/// Gives `ask.user` the limit `own`, or takes theirs away; on record. In force for whatever is consumed afterwards, on every instance.
///
/// # Errors
/// `not_found`: there is no such person, or no limit to take away.
pub(super) async fn set(app: &App, ask: &Ask, own: Option<OwnLimit>, by: &By) -> Result<(), Problem> {
    let action = if own.is_some() { audit::QUOTA_LIMIT_SET } else { audit::QUOTA_LIMIT_REMOVED };
    let mut event = by.event(&app.ground, action, Target::user(ask.user), ask.now).detail("quota", ask.name.clone());
    if let Some(own) = own {
        event = event.detail("limit", own.limit).detail("until", own.until.map(|until| until.to_rfc3339()));
    }
    let asked = ask.clone();
    let work = async move |tx: &mut Tx| {
        let mut counter = settled(tx, &asked).await?.ok_or(Code::NotFound)?;
        let before = counter.own.map(|own| own.limit);
        if own.is_none() && before.is_none() {
            return Err(Problem::new(Code::NotFound).detail("They have no limit of their own."));
        }
        counter.own = own;
        counter.day_limit = counter.limit(asked.configured, asked.now);
        store::write(tx, &asked, &counter).await?;
        if !store::set_own_limit(tx, &asked, own).await? {
            return Err(Code::NotFound.into());
        }
        audit::record(tx, &event.clone().detail("before", before)).await?;
        Ok(())
    };
    app.ground.db.write(work).await
}
