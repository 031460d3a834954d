//! Every SQL line that writes transactions, or reads one of them.

use uuid::Uuid;

use super::body::Kind;
use super::content::{WORD, Word};
use super::money::Currency;
use crate::args;
use crate::db::{Db, DbError, Row, Tx, hex};
use crate::time::Timestamp;

crate::statements! {
    /// The ledger of somebody who is not erased; on PostgreSQL nobody else writes in it until the commit.
    HOLD = "SELECT owner_id FROM transaction_ledgers WHERE owner_id = $1 AND user_id IS NOT NULL",
      postgres "SELECT owner_id FROM transaction_ledgers WHERE owner_id = $1 AND user_id IS NOT NULL FOR UPDATE";
    /// The same, with room for $2 transactions more.
    GROW = "UPDATE transaction_ledgers SET held = held + $2 WHERE owner_id = $1 AND user_id IS NOT NULL RETURNING held";
    /// What there is less.
    SHRINK = "UPDATE transaction_ledgers SET held = held - $2 WHERE owner_id = $1";
    /// A ledger for somebody who has none.
    OPEN = "INSERT INTO transaction_ledgers (owner_id, user_id) SELECT id, id FROM users WHERE id = $1 AND status = 'active'
        ON CONFLICT (owner_id) DO NOTHING";
    /// A new transaction.
    INSERT = "INSERT INTO transactions (id, owner_id, kind, amount, currency, value, category, occurred_at, created_at, updated_at, version, words, content, receipt)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    /// What a request that was sent before has written.
    BY_RECEIPT = "SELECT id, kind, amount, currency, category, occurred_at, created_at, updated_at, deleted_at, version, words, content
        FROM transactions WHERE owner_id = $1 AND receipt = $2";
    /// That request can be sent anew, for something else.
    DROP_RECEIPT = "UPDATE transactions SET receipt = NULL WHERE id = $1 AND owner_id = $2";
    /// One, of its owner.
    FIND = "SELECT id, kind, amount, currency, category, occurred_at, created_at, updated_at, deleted_at, version, words, content
        FROM transactions WHERE id = $1 AND owner_id = $2";
    /// Another version of one that is not deleted.
    UPDATE = "UPDATE transactions SET kind = $4, amount = $5, currency = $6, value = $7, category = $8, occurred_at = $9, updated_at = $10,
            words = $11, content = $12, version = version + 1
        WHERE id = $1 AND owner_id = $2 AND version = $3 AND deleted_at IS NULL";
    /// Deletes one, restorable.
    DELETE = "UPDATE transactions SET deleted_at = $4, updated_at = $4, version = version + 1
        WHERE id = $1 AND owner_id = $2 AND version = $3 AND deleted_at IS NULL";
    /// Restores one.
    RESTORE = "UPDATE transactions SET deleted_at = NULL, updated_at = $4, version = version + 1
        WHERE id = $1 AND owner_id = $2 AND version = $3 AND deleted_at IS NOT NULL";
    /// The words of a description ($3 is a JSON list of hex).
    ADD_WORDS = "INSERT INTO transaction_words (owner_id, word, transaction_id) SELECT $1, unhex(value), $2 FROM json_each($3)
        WHERE true ON CONFLICT (owner_id, word, transaction_id) DO NOTHING",
      postgres "INSERT INTO transaction_words (owner_id, word, transaction_id)
        SELECT $1::uuid, decode(value, 'hex'), $2::uuid FROM json_array_elements_text($3::text::json)
        ON CONFLICT (owner_id, word, transaction_id) DO NOTHING";
    /// Takes words away again.
    DROP_WORDS = "DELETE FROM transaction_words WHERE owner_id = $1 AND transaction_id = $2 AND word IN (SELECT unhex(value) FROM json_each($3))",
      postgres "DELETE FROM transaction_words
        WHERE owner_id = $1 AND transaction_id = $2 AND word IN (SELECT decode(value, 'hex') FROM json_array_elements_text($3::text::json))";
    /// What a category is called, unless that is known.
    ADD_CATEGORY = "INSERT INTO transaction_categories (owner_id, category, label) VALUES ($1, $2, $3) ON CONFLICT (owner_id, category) DO NOTHING";
    /// How many categories somebody has.
    COUNT_CATEGORIES = "SELECT count(*) FROM transaction_categories WHERE owner_id = $1";
    /// Forgets a category that nothing belongs to any more.
    DROP_CATEGORY = "DELETE FROM transaction_categories WHERE owner_id = $1 AND category = $2
        AND NOT EXISTS (SELECT 1 FROM transactions WHERE transactions.owner_id = $1 AND transactions.category = $2)";
}

/// A transaction as the store has it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub id: Uuid,
    pub kind: Kind,
    /// Minor units.
    pub amount: i64,
    pub currency: Currency,
    /// Blind index; empty without a category.
    pub category: Vec<u8>,
    pub occurred_at: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    pub version: i64,
    /// Blind indexes of the description's words.
    pub words: Vec<Word>,
    /// Sealed.
    pub content: Vec<u8>,
}

/// Reads the columns of [`FIND`].
pub(super) fn stored(row: &Row) -> Result<Stored, DbError> {
    let (kind, currency): (String, String) = (row.get(1)?, row.get(3)?);
    let odd = |what: &str| DbError::Decode(format!("{what} of a transaction"));
    Ok(Stored {
        id: row.get(0)?,
        kind: Kind::parse(&kind).ok_or_else(|| odd("the kind"))?,
        amount: row.get(2)?,
        currency: Currency::parse(&currency).ok_or_else(|| odd("the currency"))?,
        category: row.get(4)?,
        occurred_at: row.get(5)?,
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
        deleted_at: row.get(8)?,
        version: row.get(9)?,
        words: row.get::<Vec<u8>>(10)?.as_chunks::<WORD>().0.to_vec(),
        content: row.get(11)?,
    })
}

/// Holds the ledger of `owner` until `tx` ends, opening it first where there is none; false when there is no such person any more.
pub(super) async fn hold(tx: &mut Tx, owner: Uuid) -> Result<bool, DbError> {
    if tx.query_opt(HOLD, args![owner]).await?.is_some() {
        return Ok(true);
    }
    tx.execute(OPEN, args![owner]).await?;
    Ok(tx.query_opt(HOLD, args![owner]).await?.is_some())
}

/// Holds the ledger of `owner` as [`hold`] does, and counts `more` transactions in it; how many there are then, `None` when there is no
/// such person any more.
pub(super) async fn grow(tx: &mut Tx, owner: Uuid, more: i64) -> Result<Option<i64>, DbError> {
    if let Some(row) = tx.query_opt(GROW, args![owner, more]).await? {
        return row.get(0).map(Some);
    }
    tx.execute(OPEN, args![owner]).await?;
    tx.query_opt(GROW, args![owner, more]).await?.map(|row| row.get(0)).transpose()
}

/// Counts `less` transactions out again.
pub(super) async fn shrink(tx: &mut Tx, owner: Uuid, less: i64) -> Result<(), DbError> {
    tx.execute(SHRINK, args![owner, less]).await.map(drop)
}

/// What the request that `receipt` names has written since `since`. From before that the receipt is taken off: its key is free again, and
/// whoever uses it means something new.
pub(super) async fn by_receipt(tx: &mut Tx, owner: Uuid, receipt: Option<Uuid>, since: Timestamp) -> Result<Option<Stored>, DbError> {
    let Some(receipt) = receipt else { return Ok(None) };
    let found = tx.query_opt(BY_RECEIPT, args![owner, receipt]).await?.as_ref().map(stored).transpose()?;
    match found {
        Some(old) if old.created_at <= since => {
            tx.execute(DROP_RECEIPT, args![old.id, owner]).await?;
            Ok(None)
        }
        found => Ok(found),
    }
}

/// Writes a new transaction with its words, made by the request that `receipt` names.
pub(super) async fn insert(tx: &mut Tx, owner: Uuid, new: &Stored, receipt: Option<Uuid>) -> Result<(), DbError> {
    let args = args![
        new.id,
        owner,
        new.kind.as_str(),
        new.amount,
        new.currency.code(),
        new.currency.value(new.amount),
        new.category.clone(),
        new.occurred_at,
        new.created_at,
        new.updated_at,
        new.version,
        new.words.concat(),
        new.content.clone(),
        receipt
    ];
    tx.execute(INSERT, args).await?;
    add_words(tx, owner, new.id, &new.words).await
}

/// A transaction of `owner`, deleted or not.
pub(super) async fn find(db: &Db, owner: Uuid, id: Uuid) -> Result<Option<Stored>, DbError> {
    db.query_opt(FIND, args![id, owner]).await?.as_ref().map(stored).transpose()
}

/// The same within a transaction.
pub(super) async fn find_in(tx: &mut Tx, owner: Uuid, id: Uuid) -> Result<Option<Stored>, DbError> {
    tx.query_opt(FIND, args![id, owner]).await?.as_ref().map(stored).transpose()
}

/// Writes `new` in the place of `old`; false when somebody was faster.
pub(super) async fn update(tx: &mut Tx, owner: Uuid, old: &Stored, new: &Stored) -> Result<bool, DbError> {
    let args = args![
        old.id,
        owner,
        old.version,
        new.kind.as_str(),
        new.amount,
        new.currency.code(),
        new.currency.value(new.amount),
        new.category.clone(),
        new.occurred_at,
        new.updated_at,
        new.words.concat(),
        new.content.clone()
    ];
    if tx.execute(UPDATE, args).await? != 1 {
        return Ok(false);
    }
    let without = |these: &[Word], those: &[Word]| these.iter().filter(|word| !those.contains(word)).copied().collect::<Vec<_>>();
    drop_words(tx, owner, old.id, &without(&old.words, &new.words)).await?;
    add_words(tx, owner, old.id, &without(&new.words, &old.words)).await?;
    Ok(true)
}

async fn add_words(tx: &mut Tx, owner: Uuid, id: Uuid, words: &[Word]) -> Result<(), DbError> {
    if words.is_empty() {
        return Ok(());
    }
    tx.execute(ADD_WORDS, args![owner, id, listed(words)?]).await.map(|_| ())
}

async fn drop_words(tx: &mut Tx, owner: Uuid, id: Uuid, words: &[Word]) -> Result<(), DbError> {
    if words.is_empty() {
        return Ok(());
    }
    tx.execute(DROP_WORDS, args![owner, id, listed(words)?]).await.map(|_| ())
}

fn listed(words: &[Word]) -> Result<String, DbError> {
    let words: Vec<String> = words.iter().map(|word| hex(word)).collect();
    serde_json::to_string(&words).map_err(|error| DbError::Other(error.to_string()))
}

/// Deletes a transaction in this version, restorable; false when it is another one.
pub(super) async fn delete(tx: &mut Tx, owner: Uuid, id: Uuid, version: i64, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(DELETE, args![id, owner, version, now]).await? == 1)
}

/// Restores a deleted transaction in this version; false when it is another one.
pub(super) async fn restore(tx: &mut Tx, owner: Uuid, id: Uuid, version: i64, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(RESTORE, args![id, owner, version, now]).await? == 1)
}

/// Remembers what a category is called; false when it had a name before.
pub(super) async fn add_category(tx: &mut Tx, owner: Uuid, category: &[u8], label: Vec<u8>) -> Result<bool, DbError> {
    Ok(tx.execute(ADD_CATEGORY, args![owner, category.to_vec(), label]).await? == 1)
}

/// How many categories `owner` has.
pub(super) async fn count_categories(tx: &mut Tx, owner: Uuid) -> Result<i64, DbError> {
    tx.query_opt(COUNT_CATEGORIES, args![owner]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Forgets a category that nothing belongs to any more.
pub(super) async fn drop_category(tx: &mut Tx, owner: Uuid, category: &[u8]) -> Result<(), DbError> {
    tx.execute(DROP_CATEGORY, args![owner, category.to_vec()]).await.map(|_| ())
}
