//! Every SQL line that lists transactions: the same few statements for each order, along its index.
//!
//! All of them begin at `$1`, the owner, and lie between the places `($2, $3)` and `($4, $5)`.

use uuid::Uuid;

use super::content::{WORD, Word};
use super::listing::{Bounds, Filter, Order, QUERY_WORDS, Selection};
use super::store::{Stored, stored};
use crate::args;
use crate::db::{Db, DbError, Row, Sql, Value, hex};
use crate::http::keyset::Place;

/// The statements of one order.
#[derive(Clone, Copy)]
struct Listing {
    /// Without further conditions.
    plain: Sql,
    /// With all of them.
    filtered: Sql,
    /// The last place of those that are looked at.
    stop: Sql,
    /// With all of them, from a word.
    with_word: Sql,
}

macro_rules! columns {
    () => {
        "SELECT t.id, t.kind, t.amount, t.currency, t.category, t.occurred_at, t.created_at, t.updated_at, t.deleted_at, t.version, t.words, t.content"
    };
}

/// Between the two places; the first page begins at its end, every other one behind the place that is named.
macro_rules! between {
    ($column:literal) => {
        concat!(" AND (t.", $column, ", t.id) >= ($2, $3) AND (t.", $column, ", t.id) <= ($4, $5)")
    };
}

/// What else is asked for. The sum keeps the engines from the index by time: another order is gone along by its own, or all rows
/// of the owner would be read and sorted for a page.
macro_rules! conditions {
    () => {
        " AND t.id <> $7 AND (t.deleted_at IS NULL OR $8) AND (t.kind = $9 OR $9 = '') AND (t.currency = $10 OR $10 = '')
            AND t.occurred_at + 0 >= $11 AND t.occurred_at + 0 < $12 AND (t.category = $13 OR $14)"
    };
}

macro_rules! on_sqlite {
    () => {
        concat!(
            conditions!(),
            " AND ($21 OR (instr(t.words, $15) > 0 AND instr(t.words, $16) > 0 AND instr(t.words, $17) > 0
                AND instr(t.words, $18) > 0 AND instr(t.words, $19) > 0 AND instr(t.words, $20) > 0))"
        )
    };
}

macro_rules! on_postgres {
    () => {
        concat!(
            conditions!(),
            " AND ($21 OR (position($15::bytea IN t.words) > 0 AND position($16::bytea IN t.words) > 0 AND position($17::bytea IN t.words) > 0
                AND position($18::bytea IN t.words) > 0 AND position($19::bytea IN t.words) > 0 AND position($20::bytea IN t.words) > 0))"
        )
    };
}

macro_rules! order {
    ($column:literal, $way:literal) => {
        concat!(" ORDER BY t.", $column, $way, ", t.id", $way)
    };
}

macro_rules! both {
    ($($part:expr),+) => { Sql { sqlite: concat!($($part),+), postgres: concat!($($part),+) } };
}

macro_rules! listings {
    ($($name:ident: $column:literal $way:literal;)+) => {
        $(const $name: Listing = Listing {
            plain: both!(columns!(), " FROM transactions AS t WHERE t.owner_id = $1", between!($column),
                " AND t.id <> $7 AND (t.deleted_at IS NULL OR $8)", order!($column, $way), " LIMIT $6"),
            filtered: Sql {
                sqlite: concat!(columns!(), " FROM transactions AS t WHERE t.owner_id = $1", between!($column), on_sqlite!(), order!($column, $way), " LIMIT $6"),
                postgres: concat!(columns!(), " FROM transactions AS t WHERE t.owner_id = $1", between!($column), on_postgres!(), order!($column, $way), " LIMIT $6"),
            },
            stop: both!("SELECT t.", $column, ", t.id FROM transactions AS t WHERE t.owner_id = $1", between!($column), order!($column, $way), " LIMIT 1 OFFSET $6"),
            // The word comes first on both engines: there are few of it, and no order of rows is worth as much.
            with_word: Sql {
                sqlite: concat!(columns!(), " FROM transaction_words AS w CROSS JOIN transactions AS t ON t.id = w.transaction_id",
                    " WHERE w.owner_id = $1 AND w.word = $22 AND t.owner_id = $1", between!($column), on_sqlite!(), order!($column, $way), " LIMIT $6"),
                postgres: concat!(columns!(), " FROM transaction_words AS w CROSS JOIN LATERAL",
                    " (SELECT * FROM transactions WHERE transactions.id = w.transaction_id AND transactions.owner_id = $1 OFFSET 0) AS t",
                    " WHERE w.owner_id = $1 AND w.word = $22", between!($column), on_postgres!(), order!($column, $way), " LIMIT $6"),
            },
        };)+

        /// Every statement that lists, by name.
        pub const STATEMENTS: &[(&str, Sql)] = &[
            $((concat!(stringify!($name), " plain"), $name.plain), (concat!(stringify!($name), " filtered"), $name.filtered),
              (concat!(stringify!($name), " stop"), $name.stop), (concat!(stringify!($name), " with word"), $name.with_word),)+
            ("CATEGORY_UP filtered", CATEGORY_UP.0), ("CATEGORY_UP stop", CATEGORY_UP.1),
            ("CATEGORY_DOWN filtered", CATEGORY_DOWN.0), ("CATEGORY_DOWN stop", CATEGORY_DOWN.1),
            ("COUNT_WORDS", COUNT_WORDS),
        ];
    };
}

listings! {
    OCCURRED_UP: "occurred_at" "";
    OCCURRED_DOWN: "occurred_at" " DESC";
    AMOUNT_UP: "value" "";
    AMOUNT_DOWN: "value" " DESC";
    CREATED_UP: "created_at" "";
    CREATED_DOWN: "created_at" " DESC";
}

/// Those of a category by time, along an index of their own.
macro_rules! of_category {
    ($way:literal) => {
        (
            Sql {
                sqlite: concat!(
                    columns!(),
                    " FROM transactions AS t WHERE t.owner_id = $1 AND t.category = $13",
                    between!("occurred_at"),
                    on_sqlite!(),
                    order!("occurred_at", $way),
                    " LIMIT $6"
                ),
                postgres: concat!(
                    columns!(),
                    " FROM transactions AS t WHERE t.owner_id = $1 AND t.category = $13",
                    between!("occurred_at"),
                    on_postgres!(),
                    order!("occurred_at", $way),
                    " LIMIT $6"
                ),
            },
            both!(
                "SELECT t.occurred_at, t.id FROM transactions AS t WHERE t.owner_id = $1 AND t.category = $7",
                between!("occurred_at"),
                order!("occurred_at", $way),
                " LIMIT 1 OFFSET $6"
            ),
        )
    };
}

const CATEGORY_UP: (Sql, Sql) = of_category!("");
const CATEGORY_DOWN: (Sql, Sql) = of_category!(" DESC");

/// In how many transactions each word stands, counted up to a bound ($2 is a JSON list of hex, $3 the bound).
const COUNT_WORDS: Sql = Sql {
    sqlite: "SELECT unhex(asked.value), (SELECT count(*) FROM (SELECT 1 FROM transaction_words
            WHERE owner_id = $1 AND word = unhex(asked.value) LIMIT $3)) FROM json_each($2) AS asked",
    postgres: "SELECT decode(asked.value, 'hex'), (SELECT count(*) FROM (SELECT 1 FROM transaction_words
            WHERE owner_id = $1 AND word = decode(asked.value, 'hex') LIMIT $3) AS found) FROM json_array_elements_text($2::text::json) AS asked",
};

const fn listing(order: Order) -> Listing {
    match order {
        Order::OccurredAt => OCCURRED_UP,
        Order::OccurredAtDown => OCCURRED_DOWN,
        Order::Amount => AMOUNT_UP,
        Order::AmountDown => AMOUNT_DOWN,
        Order::CreatedAt => CREATED_UP,
        Order::CreatedAtDown => CREATED_DOWN,
    }
}

/// The index of one category is gone along by time.
fn category_index(filter: &Filter) -> Option<((Sql, Sql), &Vec<u8>)> {
    let statements = match filter.selection.order {
        Order::OccurredAt => CATEGORY_UP,
        Order::OccurredAtDown => CATEGORY_DOWN,
        _ => return None,
    };
    filter.category.as_ref().map(|category| (statements, category))
}

fn bounded(owner: Uuid, bounds: Bounds, rows: i64) -> Vec<Value> {
    let Bounds { low, high, .. } = bounds;
    args![owner, low.key, low.id, high.key, high.id, rows]
}

/// The row that is not to be shown again; nobody has the nil UUID.
fn shown(filter: &Filter, bounds: Bounds) -> Uuid {
    match (bounds.begun, filter.selection.order.is_down()) {
        (false, _) => Uuid::nil(),
        (true, true) => bounds.high.id,
        (true, false) => bounds.low.id,
    }
}

fn conditions(owner: Uuid, filter: &Filter, bounds: Bounds, rows: i64) -> Vec<Value> {
    let Selection { time, kind, currency, deleted, .. } = &filter.selection;
    let mut args = bounded(owner, bounds, rows);
    args.extend(args![
        shown(filter, bounds),
        *deleted,
        kind.map_or("", |kind| kind.as_str()),
        currency.map_or("", |currency| currency.code()),
        time.start,
        time.end,
        filter.category.clone().unwrap_or_default(),
        filter.category.is_none()
    ]);
    // An empty word stands in every description.
    let words = filter.words.iter().map(|word| word.to_vec()).chain(std::iter::repeat(Vec::new()));
    args.extend(words.take(QUERY_WORDS).map(Value::from));
    args.push(filter.words.is_empty().into());
    args
}

async fn rows(db: &Db, sql: Sql, args: Vec<Value>) -> Result<Vec<Stored>, DbError> {
    db.query(sql, args).await?.iter().map(stored).collect()
}

/// Rows in the order of `filter`, whatever else it says.
pub(super) async fn plain(db: &Db, owner: Uuid, filter: &Filter, bounds: Bounds, most: i64) -> Result<Vec<Stored>, DbError> {
    let mut args = bounded(owner, bounds, most);
    args.extend(args![shown(filter, bounds), filter.selection.deleted]);
    rows(db, listing(filter.selection.order).plain, args).await
}

/// Rows that pass `filter`.
pub(super) async fn filtered(db: &Db, owner: Uuid, filter: &Filter, bounds: Bounds, most: i64) -> Result<Vec<Stored>, DbError> {
    let sql = category_index(filter).map_or(listing(filter.selection.order).filtered, |((filtered, _), _)| filtered);
    rows(db, sql, conditions(owner, filter, bounds, most)).await
}

/// Rows that pass `filter` and have `word` in their description.
pub(super) async fn with_word(
    db: &Db,
    owner: Uuid,
    filter: &Filter,
    word: Word,
    bounds: Bounds,
    most: i64,
) -> Result<Vec<Stored>, DbError> {
    let mut args = conditions(owner, filter, bounds, most);
    args.push(word.into());
    rows(db, listing(filter.selection.order).with_word, args).await
}

/// The last place of the next `rows` of the index that [`filtered`] goes along; `None` when there are not as many.
pub(super) async fn stop(db: &Db, owner: Uuid, filter: &Filter, bounds: Bounds, rows: i64) -> Result<Option<Place>, DbError> {
    // The row that was shown before is skipped as one of them.
    let mut args = bounded(owner, bounds, rows - 1);
    let sql = match category_index(filter) {
        Some(((_, stop), category)) => {
            args.push(category.clone().into());
            stop
        }
        None => listing(filter.selection.order).stop,
    };
    let place = |row: Row| Ok(Place { key: row.get(0)?, id: row.get(1)? });
    db.query_opt(sql, args).await?.map(place).transpose()
}

/// In how many transactions of `owner` each of `words` stands, counted up to `most`.
pub(super) async fn count_words(db: &Db, owner: Uuid, words: &[Word], most: i64) -> Result<Vec<(Word, i64)>, DbError> {
    let asked: Vec<String> = words.iter().map(|word| hex(word)).collect();
    let asked = serde_json::to_string(&asked).map_err(|error| DbError::Other(error.to_string()))?;
    let counted = |row: &Row| Ok((row.get::<[u8; WORD]>(0)?, row.get(1)?));
    db.query(COUNT_WORDS, args![owner, asked, most]).await?.iter().map(counted).collect()
}
