//! Every SQL line about the sums of transactions.

use uuid::Uuid;

use super::money::Currency;
use super::period::Period;
use super::totals::{Sums, Which};
use crate::args;
use crate::db::{Db, DbError, Row, Tx, Value, hex};
use crate::time::Timestamp;

crate::statements! {
    /// Changes many sums ($2 is JSON: [[span, start, currency, category, income, expense, incomes, expenses], …]), none of them beyond $3.
    CHANGE = "INSERT INTO transaction_totals (owner_id, span, start, currency, category, income, expense, incomes, expenses)
        SELECT $1, value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6, value ->> 7
        FROM json_each($2) WHERE true
        ON CONFLICT (owner_id, span, start, currency, category) DO UPDATE SET
            income = transaction_totals.income + excluded.income, expense = transaction_totals.expense + excluded.expense,
            incomes = transaction_totals.incomes + excluded.incomes, expenses = transaction_totals.expenses + excluded.expenses
        WHERE transaction_totals.income <= $3 - excluded.income AND transaction_totals.expense <= $3 - excluded.expense",
      postgres "INSERT INTO transaction_totals (owner_id, span, start, currency, category, income, expense, incomes, expenses)
        SELECT $1::uuid, value ->> 0, (value ->> 1)::bigint, value ->> 2, decode(value ->> 3, 'hex'), (value ->> 4)::bigint,
            (value ->> 5)::bigint, (value ->> 6)::bigint, (value ->> 7)::bigint
        FROM json_array_elements($2::text::json)
        ON CONFLICT (owner_id, span, start, currency, category) DO UPDATE SET
            income = transaction_totals.income + excluded.income, expense = transaction_totals.expense + excluded.expense,
            incomes = transaction_totals.incomes + excluded.incomes, expenses = transaction_totals.expenses + excluded.expenses
        WHERE transaction_totals.income <= $3 - excluded.income AND transaction_totals.expense <= $3 - excluded.expense";
    /// Forgets sums of nothing ($2 is JSON: [[span, start, currency, category], …]).
    DROP_EMPTY = "DELETE FROM transaction_totals WHERE owner_id = $1 AND incomes = 0 AND expenses = 0
        AND (span, start, currency, category) IN (SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3) FROM json_each($2))",
      postgres "DELETE FROM transaction_totals WHERE owner_id = $1 AND incomes = 0 AND expenses = 0
        AND (span, start, currency, category) IN (SELECT value ->> 0, (value ->> 1)::bigint, value ->> 2, decode(value ->> 3, 'hex')
            FROM json_array_elements($2::text::json))";
    /// By month: whole months, the days and the single transactions at the two ends.
    BY_MONTH = "SELECT month, currency, CAST(sum(income) AS bigint), CAST(sum(expense) AS bigint), CAST(sum(n) AS bigint) FROM (
            SELECT start AS month, currency, income, expense, incomes + expenses AS n FROM transaction_totals
                WHERE owner_id = $1 AND span = 'month' AND start >= $2 AND start < $3
            UNION ALL SELECT CAST($4 AS bigint), currency, income, expense, incomes + expenses FROM transaction_totals
                WHERE owner_id = $1 AND span = 'day' AND start >= $5 AND start < $6
            UNION ALL SELECT CAST($7 AS bigint), currency, income, expense, incomes + expenses FROM transaction_totals
                WHERE owner_id = $1 AND span = 'day' AND start >= $8 AND start < $9
            UNION ALL SELECT CAST($4 AS bigint), currency, CASE WHEN kind = 'income' THEN amount ELSE 0 END, CASE WHEN kind = 'expense' THEN amount ELSE 0 END, 1
                FROM transactions WHERE owner_id = $1 AND occurred_at >= $10 AND occurred_at < $11 AND deleted_at IS NULL
            UNION ALL SELECT CAST($4 AS bigint), currency, CASE WHEN kind = 'income' THEN amount ELSE 0 END, CASE WHEN kind = 'expense' THEN amount ELSE 0 END, 1
                FROM transactions WHERE owner_id = $1 AND occurred_at >= $12 AND occurred_at < $13 AND deleted_at IS NULL
            UNION ALL SELECT CAST($7 AS bigint), currency, CASE WHEN kind = 'income' THEN amount ELSE 0 END, CASE WHEN kind = 'expense' THEN amount ELSE 0 END, 1
                FROM transactions WHERE owner_id = $1 AND occurred_at >= $14 AND occurred_at < $15 AND deleted_at IS NULL
        ) AS parts GROUP BY month, currency HAVING sum(n) > 0 ORDER BY month, currency LIMIT $16";
    /// By category, with the name of each.
    BY_CATEGORY = "SELECT sums.category, sums.currency, sums.income, sums.expense, sums.n, names.label FROM (
            SELECT category, currency, CAST(sum(income) AS bigint) AS income, CAST(sum(expense) AS bigint) AS expense, CAST(sum(n) AS bigint) AS n FROM (
                SELECT category, currency, income, expense, incomes + expenses AS n FROM transaction_totals
                    WHERE owner_id = $1 AND span = 'month' AND start >= $2 AND start < $3
                UNION ALL SELECT category, currency, income, expense, incomes + expenses FROM transaction_totals
                    WHERE owner_id = $1 AND span = 'day' AND start >= $4 AND start < $5
                UNION ALL SELECT category, currency, income, expense, incomes + expenses FROM transaction_totals
                    WHERE owner_id = $1 AND span = 'day' AND start >= $6 AND start < $7
                UNION ALL SELECT category, currency, CASE WHEN kind = 'income' THEN amount ELSE 0 END, CASE WHEN kind = 'expense' THEN amount ELSE 0 END, 1
                    FROM transactions WHERE owner_id = $1 AND occurred_at >= $8 AND occurred_at < $9 AND deleted_at IS NULL
                UNION ALL SELECT category, currency, CASE WHEN kind = 'income' THEN amount ELSE 0 END, CASE WHEN kind = 'expense' THEN amount ELSE 0 END, 1
                    FROM transactions WHERE owner_id = $1 AND occurred_at >= $10 AND occurred_at < $11 AND deleted_at IS NULL
                UNION ALL SELECT category, currency, CASE WHEN kind = 'income' THEN amount ELSE 0 END, CASE WHEN kind = 'expense' THEN amount ELSE 0 END, 1
                    FROM transactions WHERE owner_id = $1 AND occurred_at >= $12 AND occurred_at < $13 AND deleted_at IS NULL
            ) AS parts GROUP BY category, currency HAVING sum(n) > 0 ORDER BY category, currency LIMIT $14
        ) AS sums LEFT JOIN transaction_categories AS names ON names.owner_id = $1 AND names.category = sums.category";
}

/// Changes the sums of `owner`; how many it could change without one becoming larger than `most`.
pub(super) async fn change(tx: &mut Tx, owner: Uuid, rows: &[(&Which, &Sums)], most: i64) -> Result<usize, DbError> {
    let list = |(place, sums): &(&Which, &Sums)| {
        let Which { span, start, currency, category } = place;
        (*span, *start, *currency, hex(category), sums.income, sums.expense, sums.incomes, sums.expenses)
    };
    let changed = tx.execute(CHANGE, args![owner, json(rows.iter().map(list))?, most]).await?;
    Ok(usize::try_from(changed).unwrap_or(usize::MAX))
}

/// Forgets those of these sums that are of nothing.
pub(super) async fn drop_empty(tx: &mut Tx, owner: Uuid, places: &[&Which]) -> Result<(), DbError> {
    let list = |place: &&Which| (place.span, place.start, place.currency, hex(&place.category));
    tx.execute(DROP_EMPTY, args![owner, json(places.iter().map(list))?]).await.map(|_| ())
}

fn json<T: serde::Serialize>(rows: impl Iterator<Item = T>) -> Result<String, DbError> {
    serde_json::to_string(&rows.collect::<Vec<_>>()).map_err(|error| DbError::Other(error.to_string()))
}

/// What a group sums up to.
pub(super) struct Summed<K> {
    pub key: K,
    pub currency: Currency,
    /// Minor units.
    pub income: i64,
    pub expense: i64,
    pub count: i64,
}

fn summed<K>(row: &Row, key: K) -> Result<Summed<K>, DbError> {
    let currency = Currency::parse(&row.get::<String>(1)?).ok_or_else(|| DbError::Decode("the currency of a sum".to_owned()))?;
    Ok(Summed { key, currency, income: row.get(2)?, expense: row.get(3)?, count: row.get(4)? })
}

/// The groups of `period` by the first instant of their month, at most `most`.
pub(super) async fn by_month(db: &Db, owner: Uuid, period: &Period, most: i64) -> Result<Vec<Summed<Timestamp>>, DbError> {
    let Period { months, first, last } = period;
    let mut args = args![owner, months.start, months.end];
    for edge in [first, last] {
        args.extend(args![edge.month, edge.days.start, edge.days.end]);
    }
    args.extend(singles(period));
    args.push(most.into());
    db.query(BY_MONTH, args).await?.iter().map(|row| summed(row, row.get(0)?)).collect()
}

/// A category by its blind index, and its sealed name.
pub(super) type Named = (Vec<u8>, Option<Vec<u8>>);

/// The groups of `period` by category, at most `most`.
pub(super) async fn by_category(db: &Db, owner: Uuid, period: &Period, most: i64) -> Result<Vec<Summed<Named>>, DbError> {
    let Period { months, first, last } = period;
    let mut args = args![owner, months.start, months.end];
    for edge in [first, last] {
        args.extend(args![edge.days.start, edge.days.end]);
    }
    args.extend(singles(period));
    args.push(most.into());
    db.query(BY_CATEGORY, args).await?.iter().map(|row| summed(row, (row.get(0)?, row.get(5)?))).collect()
}

/// Where single transactions are read: before and behind the days of the first month, behind those of the last, which begins with one.
fn singles(period: &Period) -> Vec<Value> {
    let ranges = [&period.first.before, &period.first.behind, &period.last.behind];
    ranges.into_iter().flat_map(|range| args![range.start, range.end]).collect()
}
