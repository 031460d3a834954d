//! A transaction is written down.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::{Kind, NewTransaction};
use super::content::{self, Content};
use super::money::Currency;
use super::store::{self, Stored};
use super::totals::Totals;
use super::view::{self, TransactionView};
use crate::db::Tx;
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::idempotency;
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// Different categories that somebody has at most: a summary by category stays a page.
pub(super) const CATEGORIES_MAX: i64 = 500;

/// A transaction that is known to be right, for whoever writes many down.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Minor units, above zero.
    pub amount: i64,
    /// Of this currency.
    pub currency: Currency,
    /// Earned or spent.
    pub kind: Kind,
    /// What it was.
    pub description: String,
    /// What it belongs to.
    pub category: Option<String>,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// Writes a transaction of `owner` down; once for all requests that `receipt` names.
///
/// # Errors
/// `validation_failed` with everything that is wrong; `conflict` when there are too many transactions or categories, or a sum becomes
/// too large.
pub(super) async fn create(
    ground: &Ground,
    owner: Uuid,
    new: NewTransaction,
    receipt: Option<Uuid>,
    now: Timestamp,
) -> Result<TransactionView, Problem> {
    let key = ground.keyring.get(owner).await?;
    let checked = new.check()?;
    let missing = || Problem::internal("a checked transaction lacks a part");
    let (amount, currency) = checked.money.ok_or_else(missing)?;
    let entry = Entry {
        amount,
        currency,
        kind: checked.kind.ok_or_else(missing)?,
        description: checked.description.ok_or_else(missing)?,
        category: checked.category.flatten(),
        occurred_at: checked.occurred_at.ok_or_else(missing)?,
    };
    let new = prepare(ground, &key, entry, checked.metadata.flatten(), now)?;
    let stored = new.stored.clone();
    let before = write(ground, owner, vec![new], receipt, now).await?;
    Ok(view::open(before.unwrap_or(stored), &key)?)
}

/// Writes many transactions of `owner` down, all or none: for whoever fills a store.
///
/// # Errors
/// `conflict` as for one.
pub async fn write_many(ground: &Ground, owner: Uuid, entries: Vec<Entry>, now: Timestamp) -> Result<(), Problem> {
    let key = ground.keyring.get(owner).await?;
    let new = entries.into_iter().map(|entry| prepare(ground, &key, entry, None, now)).collect::<Result<_, _>>()?;
    write(ground, owner, new, None, now).await.map(drop)
}

/// A row that is to be written, and the sealed name of its category.
struct New {
    stored: Stored,
    label: Option<Vec<u8>>,
}

fn prepare(ground: &Ground, key: &PersonKey, entry: Entry, metadata: Option<Map<String, Value>>, now: Timestamp) -> Result<New, Problem> {
    let id = ground.random.uuid(now);
    let content = Content { description: entry.description, category: entry.category, metadata };
    let category = content.category_index(key);
    let label = content.category.as_deref().map(|label| content::seal_label(key, &category, label));
    let stored = Stored {
        id,
        kind: entry.kind,
        amount: entry.amount,
        currency: entry.currency,
        category,
        occurred_at: entry.occurred_at,
        created_at: now,
        updated_at: now,
        deleted_at: None,
        version: 1,
        words: content.word_indexes(key),
        content: content.seal(key, id)?,
    };
    Ok(New { stored, label })
}

/// Writes them, unless the request that `receipt` names has done so: then nothing is written, and what it made comes back.
async fn write(ground: &Ground, owner: Uuid, all: Vec<New>, receipt: Option<Uuid>, now: Timestamp) -> Result<Option<Stored>, Problem> {
    let limit = ground.settings.transactions.ledger_limit;
    ground
        .db
        .write(async move |tx| {
            // A list in memory is never as long.
            let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
            let held = store::grow(tx, owner, count).await?.ok_or(Code::SessionRevoked)?;
            if let Some(before) = store::by_receipt(tx, owner, receipt, now.minus(idempotency::KEEP)).await? {
                store::shrink(tx, owner, count).await?;
                return Ok(Some(before));
            }
            if held > limit {
                return Err(full(limit));
            }
            let (mut totals, mut named) = (Totals::default(), BTreeSet::new());
            for New { stored, label } in &all {
                if let Some(label) = label
                    && named.insert(&stored.category)
                {
                    name_category(tx, owner, &stored.category, label.clone()).await?;
                }
                store::insert(tx, owner, stored, receipt).await?;
                totals.add(stored);
            }
            totals.write(tx, owner).await?;
            Ok(None)
        })
        .await
}

fn full(limit: i64) -> Problem {
    Problem::new(Code::Conflict).detail(format!(
        "You have {limit} transactions, which is as many as are kept for one person; deleted ones count until they can no longer be restored."
    ))
}

/// Holds the ledger of `owner` until `tx` ends.
///
/// # Errors
/// `session_revoked` when there is no such person any more.
pub(super) async fn held(tx: &mut Tx, owner: Uuid) -> Result<(), Problem> {
    if store::hold(tx, owner).await? { Ok(()) } else { Err(Code::SessionRevoked.into()) }
}

/// Remembers what a category is called when it is a new one.
///
/// # Errors
/// `conflict` when there are too many.
pub(super) async fn name_category(tx: &mut Tx, owner: Uuid, category: &[u8], label: Vec<u8>) -> Result<(), Problem> {
    if store::add_category(tx, owner, category, label).await? && store::count_categories(tx, owner).await? > CATEGORIES_MAX {
        let detail = format!("You have {CATEGORIES_MAX} categories. Use one of them, or none.");
        return Err(Problem::new(Code::Conflict).detail(detail));
    }
    Ok(())
}
