//! Every SQL line that takes transactions away for good.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::content::WORD;
use crate::args;
use crate::db::{Db, DbError, Row, Tx, hex};
use crate::time::Timestamp;

crate::statements! {
    /// Whose transactions were deleted before an instant, those that were so longest first.
    EXPIRED = "SELECT id, owner_id FROM transactions WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2";
    /// Holds ledgers ($1 is a JSON list of simple UUIDs): nobody restores meanwhile, or uses a category again.
    HOLD = "SELECT owner_id FROM transaction_ledgers WHERE owner_id IN (SELECT unhex(value) FROM json_each($1))",
      postgres "SELECT owner_id FROM transaction_ledgers
        WHERE owner_id IN (SELECT value::uuid FROM json_array_elements_text($1::text::json)) ORDER BY owner_id FOR UPDATE";
    /// Takes transactions ($1 is a JSON list of simple UUIDs) that are still deleted since before $2.
    EXPIRE = "DELETE FROM transactions WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND deleted_at < $2
        RETURNING owner_id, id, category, words",
      postgres "DELETE FROM transactions WHERE id IN (SELECT value::uuid FROM json_array_elements_text($1::text::json)) AND deleted_at < $2
        RETURNING owner_id, id, category, words";
    /// Counts them out of their ledgers ($1 is JSON: [[owner, how many], …]).
    COUNT_OUT = "UPDATE transaction_ledgers SET held = max(0, held - n.gone)
        FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS gone FROM json_each($1)) AS n WHERE transaction_ledgers.owner_id = n.id",
      postgres "UPDATE transaction_ledgers SET held = greatest(0, held - n.gone)
        FROM (SELECT (value ->> 0)::uuid AS id, (value ->> 1)::bigint AS gone FROM json_array_elements($1::text::json)) AS n
        WHERE transaction_ledgers.owner_id = n.id";
    /// Takes their words ($1 is JSON: [[owner, word, transaction], …]).
    DROP_WORDS = "DELETE FROM transaction_words WHERE (owner_id, word, transaction_id) IN
        (SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2) FROM json_each($1))",
      postgres "DELETE FROM transaction_words WHERE (owner_id, word, transaction_id) IN
        (SELECT (value ->> 0)::uuid, decode(value ->> 1, 'hex'), (value ->> 2)::uuid FROM json_array_elements($1::text::json))";
    /// Forgets categories ($1 is JSON: [[owner, category], …]) that nothing belongs to any more.
    DROP_CATEGORIES = "DELETE FROM transaction_categories WHERE (owner_id, category) IN
            (SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each($1))
        AND NOT EXISTS (SELECT 1 FROM transactions AS t
            WHERE t.owner_id = transaction_categories.owner_id AND t.category = transaction_categories.category)",
      postgres "DELETE FROM transaction_categories WHERE (owner_id, category) IN
            (SELECT (value ->> 0)::uuid, decode(value ->> 1, 'hex') FROM json_array_elements($1::text::json))
        AND NOT EXISTS (SELECT 1 FROM transactions AS t
            WHERE t.owner_id = transaction_categories.owner_id AND t.category = transaction_categories.category)";
    /// Ledgers of people who were erased.
    ERASED = "SELECT owner_id FROM transaction_ledgers WHERE user_id IS NULL LIMIT $1";
    /// Takes some of what an erased person left.
    EMPTY = "DELETE FROM transactions WHERE id IN (SELECT id FROM transactions WHERE owner_id = $1 LIMIT $2)";
    /// The same of the words.
    EMPTY_WORDS = "DELETE FROM transaction_words WHERE (owner_id, word, transaction_id) IN
        (SELECT owner_id, word, transaction_id FROM transaction_words WHERE owner_id = $1 LIMIT $2)";
    /// The same of the sums.
    EMPTY_TOTALS = "DELETE FROM transaction_totals WHERE (owner_id, span, start, currency, category) IN
        (SELECT owner_id, span, start, currency, category FROM transaction_totals WHERE owner_id = $1 LIMIT $2)";
    /// The names of the categories.
    EMPTY_CATEGORIES = "DELETE FROM transaction_categories WHERE owner_id = $1";
    /// The ledger itself.
    CLOSE = "DELETE FROM transaction_ledgers WHERE owner_id = $1";
    /// The ledger of somebody whose grace was ended, which is how erasing them begins; on PostgreSQL nobody writes in it until the commit.
    HOLD_ENDED = "SELECT owner_id FROM transaction_ledgers WHERE owner_id = $1
        AND EXISTS (SELECT 1 FROM users WHERE users.id = $1 AND users.status = 'deleted' AND users.erases_at = 0)",
      postgres "SELECT owner_id FROM transaction_ledgers WHERE owner_id = $1
        AND EXISTS (SELECT 1 FROM users WHERE users.id = $1 AND users.status = 'deleted' AND users.erases_at = 0) FOR UPDATE";
}

/// How many words a transaction has, more or less.
const WORDS_EACH: i64 = 8;

fn json<T: serde::Serialize>(rows: &T) -> Result<String, DbError> {
    serde_json::to_string(rows).map_err(|error| DbError::Other(error.to_string()))
}

fn simple(id: Uuid) -> String {
    id.simple().to_string()
}

/// Takes up to `rows` transactions that were deleted before `before`; false when there was none.
pub(super) async fn expire(tx: &mut Tx, before: Timestamp, rows: i64) -> Result<bool, DbError> {
    let due = tx.query(EXPIRED, args![before, rows]).await?;
    if due.is_empty() {
        return Ok(false);
    }
    let both = due.iter().map(|row| Ok((simple(row.get(0)?), simple(row.get(1)?)))).collect::<Result<Vec<_>, DbError>>()?;
    let owners: BTreeSet<&String> = both.iter().map(|(_, owner)| owner).collect();
    tx.query(HOLD, args![json(&owners)?]).await?;
    let ids: Vec<&String> = both.iter().map(|(id, _)| id).collect();
    let taken = tx.query(EXPIRE, args![json(&ids)?, before]).await?;
    let (mut words, mut categories, mut gone) = (Vec::new(), BTreeSet::new(), BTreeMap::<String, i64>::new());
    for row in &taken {
        let left = left_behind(row)?;
        *gone.entry(left.owner.clone()).or_default() += 1;
        words.extend(left.words.iter().map(|word| [left.owner.clone(), hex(word), left.id.clone()]));
        categories.insert([left.owner, left.category]);
    }
    tx.execute(COUNT_OUT, args![json(&gone.into_iter().collect::<Vec<_>>())?]).await?;
    tx.execute(DROP_WORDS, args![json(&words)?]).await?;
    tx.execute(DROP_CATEGORIES, args![json(&categories)?]).await?;
    Ok(true)
}

/// What points at a transaction that was taken.
struct Left {
    owner: String,
    id: String,
    category: String,
    words: Vec<[u8; WORD]>,
}

fn left_behind(row: &Row) -> Result<Left, DbError> {
    let words: Vec<u8> = row.get(3)?;
    Ok(Left {
        owner: simple(row.get(0)?),
        id: simple(row.get(1)?),
        category: hex(&row.get::<Vec<u8>>(2)?),
        words: words.as_chunks::<WORD>().0.to_vec(),
    })
}

/// Up to `ledgers` people who were erased and left transactions.
pub(super) async fn erased(db: &Db, ledgers: i64) -> Result<Vec<Uuid>, DbError> {
    db.query(ERASED, args![ledgers]).await?.iter().map(|row| row.get(0)).collect()
}

/// Takes up to `rows` transactions that an erased person left and what belongs to them, and the ledger with the last; false once it is gone.
pub(super) async fn empty(tx: &mut Tx, owner: Uuid, rows: i64) -> Result<bool, DbError> {
    let transactions = tx.execute(EMPTY, args![owner, rows]).await?;
    let words = tx.execute(EMPTY_WORDS, args![owner, rows * WORDS_EACH]).await?;
    let totals = tx.execute(EMPTY_TOTALS, args![owner, rows]).await?;
    let all = |taken: u64, most: i64| i64::try_from(taken).is_ok_and(|taken| taken < most);
    if !(all(transactions, rows) && all(words, rows * WORDS_EACH) && all(totals, rows)) {
        return Ok(true);
    }
    tx.execute(EMPTY_CATEGORIES, args![owner]).await?;
    tx.execute(CLOSE, args![owner]).await?;
    Ok(false)
}

/// Takes up to `rows` transactions of somebody who is being erased, and the ledger with them when those were all.
pub(super) async fn take(tx: &mut Tx, owner: Uuid, rows: i64) -> Result<(), DbError> {
    if tx.query_opt(HOLD_ENDED, args![owner]).await?.is_some() {
        empty(tx, owner, rows).await?;
    }
    Ok(())
}
