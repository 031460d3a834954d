//! An open transaction (or read snapshot), whichever engine it runs on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use super::error::DbError;
use super::session::Session;
use super::sql::Sql;
use super::value::{Row, Value, from_sqlite};

pub(super) type Hook = Box<dyn FnOnce() + Send>;

/// What statements run on. On SQLite nothing here ever waits: the call returns with the answer.
///
/// A statement that fails ends the transaction: it is rolled back even if the closure goes on and returns `Ok`,
/// which PostgreSQL would do without a word.
pub struct Tx {
    pub(super) on: On,
    pub(super) hooks: Vec<Hook>,
    /// The engine refused a statement because another transaction won; the whole may be tried again.
    pub(super) lost: bool,
    failed: bool,
}

pub(super) enum On {
    Sqlite(Connection),
    Postgres(Session),
}

impl Tx {
    pub(super) fn new(on: On) -> Self {
        Self { on, hooks: Vec::new(), lost: false, failed: false }
    }

    /// The rows of a statement.
    pub async fn query(&mut self, sql: Sql, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        self.run(sql, &args).await.map(|(rows, _)| rows)
    }

    /// The first row of a statement, if there is one.
    pub async fn query_opt(&mut self, sql: Sql, args: Vec<Value>) -> Result<Option<Row>, DbError> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// How many rows a statement changed; for one that returns rows, how many it returned.
    pub async fn execute(&mut self, sql: Sql, args: Vec<Value>) -> Result<u64, DbError> {
        self.run(sql, &args).await.map(|(_, changed)| changed)
    }

    /// Runs `hook` after this transaction is durably committed, never when it is rolled back. It must not block.
    pub fn on_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.push(Box::new(hook));
    }

    async fn run(&mut self, sql: Sql, args: &[Value]) -> Result<(Vec<Row>, u64), DbError> {
        let answer = match &mut self.on {
            // The engine ends the transaction by itself when it cannot go on; a statement after that would stand alone.
            On::Sqlite(connection) if connection.is_autocommit() => {
                Err(DbError::Unavailable("the engine rolled the transaction back".to_owned()))
            }
            On::Sqlite(connection) => sqlite_run(connection, sql.sqlite, args),
            On::Postgres(session) => Box::pin(session.run(sql.postgres, args)).await,
        };
        self.note(answer)
    }

    /// Several statements without arguments, for migrations.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        let answer = match &mut self.on {
            On::Sqlite(connection) => connection.execute_batch(sql).map_err(DbError::from),
            On::Postgres(session) => Box::pin(session.batch(sql)).await,
        };
        self.note(answer)
    }

    /// What the closure returned, unless a statement failed that it did not tell of.
    pub(super) fn judge<T, E: From<DbError>>(&self, result: Result<T, E>) -> Result<T, E> {
        if self.failed && result.is_ok() {
            return Err(DbError::Other("a statement failed and its transaction went on; it was rolled back".to_owned()).into());
        }
        result
    }

    /// Ready for the next transaction on the same connection.
    pub(super) fn reset(&mut self) {
        self.hooks.clear();
        (self.lost, self.failed) = (false, false);
    }

    fn note<T>(&mut self, answer: Result<T, DbError>) -> Result<T, DbError> {
        self.failed |= answer.is_err();
        self.lost |= matches!(answer, Err(DbError::Serialization));
        answer
    }
}

/// A hook that panics harms nobody: the transaction is durable, and the other hooks belong to other callers.
pub(super) fn run_hooks(hooks: impl IntoIterator<Item = Hook>) {
    for hook in hooks {
        if catch_unwind(AssertUnwindSafe(hook)).is_err() {
            tracing::error!("what was to happen after a commit panicked");
        }
    }
}

/// Arguments of a statement, on either engine.
pub(super) const MOST_ARGUMENTS: usize = 64;

pub(super) fn too_many(given: usize) -> DbError {
    DbError::Other(format!("{given} arguments for a statement; {MOST_ARGUMENTS} are the most"))
}

/// `$1`, `$2` … as SQLite knows them: by name, because it numbers them by first appearance.
const NAMES: [&str; MOST_ARGUMENTS] = [
    "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16", "$17", "$18", "$19", "$20",
    "$21", "$22", "$23", "$24", "$25", "$26", "$27", "$28", "$29", "$30", "$31", "$32", "$33", "$34", "$35", "$36", "$37", "$38", "$39",
    "$40", "$41", "$42", "$43", "$44", "$45", "$46", "$47", "$48", "$49", "$50", "$51", "$52", "$53", "$54", "$55", "$56", "$57", "$58",
    "$59", "$60", "$61", "$62", "$63", "$64",
];

/// The rows a statement returns, and how many it changed or, when it returns rows, returned.
pub(super) fn sqlite_run(connection: &Connection, sql: &'static str, args: &[Value]) -> Result<(Vec<Row>, u64), DbError> {
    let mut statement = connection.prepare_cached(sql)?;
    let wanted = statement.parameter_count();
    if args.len() > MOST_ARGUMENTS {
        return Err(too_many(args.len()));
    }
    if wanted != args.len() {
        // What is not bound would silently be NULL.
        return Err(DbError::Other(format!("{} arguments for a statement with {wanted}", args.len())));
    }
    for (name, value) in NAMES.iter().zip(args) {
        let index = statement.parameter_index(name)?.ok_or_else(|| DbError::Other(format!("the statement has no {name}")))?;
        statement.raw_bind_parameter(index, value)?;
    }
    let columns = statement.column_count();
    let before = connection.total_changes();
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|index| from_sqlite(row.get_ref(index)?));
        found.push(Row(values.collect::<Result<_, DbError>>()?));
    }
    let changed = match columns {
        // `changes` alone is that of an earlier statement when this one cannot change rows.
        0 if connection.total_changes() == before => 0,
        0 => connection.changes(),
        _ => u64::try_from(found.len()).unwrap_or(u64::MAX),
    };
    Ok((found, changed))
}
