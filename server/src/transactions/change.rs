//! A transaction becomes another version of itself.

use uuid::Uuid;

use super::body::{Checked, TransactionChange};
use super::content::{self, Content};
use super::create::{held, name_category};
use super::store::{self, Stored};
use super::totals::Totals;
use super::view::{self, TransactionView};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::http::if_match::IfMatch;
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// Changes the transaction `id` of `owner`, if `if_match` allows its version.
///
/// # Errors
/// `not_found`, `version_conflict`, `validation_failed`; `conflict` as when one is written down.
pub(super) async fn change(
    ground: &Ground,
    owner: Uuid,
    id: Uuid,
    change: TransactionChange,
    if_match: IfMatch,
    now: Timestamp,
) -> Result<TransactionView, Problem> {
    let key = ground.keyring.get(owner).await?;
    let seen = store::find(&ground.db, owner, id).await?.filter(|found| found.deleted_at.is_none()).ok_or(Code::NotFound)?;
    if !if_match.allows(seen.version) {
        return Err(Code::VersionConflict.into());
    }
    let checked = change.check(Some(seen.currency))?;
    if checked.is_empty() {
        return Ok(view::open(seen, &key)?);
    }
    let (opener, money_seen) = (key.clone(), checked.money.map(|_| seen.currency));
    let stored = ground
        .db
        .write(async move |tx| {
            held(tx, owner).await?;
            let old = store::find_in(tx, owner, id).await?.filter(|found| found.deleted_at.is_none()).ok_or(Code::NotFound)?;
            // An amount was read in the currency that was seen.
            if !if_match.allows(old.version) || money_seen.is_some_and(|seen| seen != old.currency) {
                return Err(Problem::from(Code::VersionConflict));
            }
            let (new, label) = merged(&opener, &old, checked.clone(), now)?;
            if let Some(label) = label {
                name_category(tx, owner, &new.category, label).await?;
            }
            if !store::update(tx, owner, &old, &new).await? {
                return Err(Code::VersionConflict.into());
            }
            if old.category != new.category && !old.category.is_empty() {
                store::drop_category(tx, owner, &old.category).await?;
            }
            let mut totals = Totals::default();
            totals.take(&old);
            totals.add(&new);
            totals.write(tx, owner).await?;
            Ok(new)
        })
        .await?;
    Ok(view::open(stored, &key)?)
}

/// `old` with what was changed, and the sealed name of its category where that is another one.
fn merged(key: &PersonKey, old: &Stored, change: Checked, now: Timestamp) -> Result<(Stored, Option<Vec<u8>>), Problem> {
    let before = Content::open(key, old.id, &old.content)?;
    let content = Content {
        description: change.description.unwrap_or(before.description),
        category: change.category.unwrap_or(before.category),
        metadata: change.metadata.unwrap_or(before.metadata),
    };
    let (amount, currency) = change.money.unwrap_or((old.amount, old.currency));
    let category = content.category_index(key);
    let label = content.category.as_deref().filter(|_| category != old.category);
    let label = label.map(|label| content::seal_label(key, &category, label));
    let new = Stored {
        id: old.id,
        kind: change.kind.unwrap_or(old.kind),
        amount,
        currency,
        category,
        occurred_at: change.occurred_at.unwrap_or(old.occurred_at),
        created_at: old.created_at,
        updated_at: now,
        deleted_at: None,
        version: old.version + 1,
        words: content.word_indexes(key),
        content: content.seal(key, old.id)?,
    };
    Ok((new, label))
}
