//! An open transaction (or read snapshot), whichever engine it runs on.

use deadpool_postgres::Object;
use rusqlite::Connection;
use tokio_postgres::types::ToSql;

use super::error::DbError;
use super::sql::Sql;
use super::value::{Row, Value, from_postgres, from_sqlite};

pub(super) type Hook = Box<dyn FnOnce() + Send>;

/// What statements run on. On SQLite nothing here ever waits: the call returns with the answer.
pub struct Tx {
    pub(super) on: On,
    pub(super) hooks: Vec<Hook>,
    /// The engine refused a statement because another transaction won; the whole may be tried again.
    pub(super) lost: bool,
}

pub(super) enum On {
    Sqlite(Connection),
    Postgres(Session),
}

impl Tx {
    pub(super) fn new(on: On) -> Self {
        Self { on, hooks: Vec::new(), lost: false }
    }

    /// The rows of a statement.
    pub async fn query(&mut self, sql: Sql, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        let answer = match &self.on {
            On::Sqlite(connection) => sqlite_rows(connection, sql.sqlite, &args),
            On::Postgres(session) => postgres_rows(session.client()?, sql.postgres, &args).await,
        };
        self.note(answer)
    }

    /// The first row of a statement, if there is one.
    pub async fn query_opt(&mut self, sql: Sql, args: Vec<Value>) -> Result<Option<Row>, DbError> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub async fn execute(&mut self, sql: Sql, args: Vec<Value>) -> Result<u64, DbError> {
        let answer = match &self.on {
            On::Sqlite(connection) => sqlite_rows(connection, sql.sqlite, &args).map(|_| connection.changes()),
            On::Postgres(session) => postgres_write(session.client()?, sql.postgres, &args).await.map(|(_, changed)| changed),
        };
        self.note(answer)
    }

    /// Runs `hook` after this transaction is durably committed, never when it is rolled back. It must not block.
    pub fn on_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.push(Box::new(hook));
    }

    /// Several statements without arguments, for migrations.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        match &self.on {
            On::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            On::Postgres(session) => Ok(session.client()?.batch_execute(sql).await?),
        }
    }

    fn note<T>(&mut self, answer: Result<T, DbError>) -> Result<T, DbError> {
        self.lost |= matches!(answer, Err(DbError::Serialization));
        answer
    }
}

/// `$1`, `$2` … as SQLite knows them: by name, because it numbers them by first appearance.
const NAMES: [&str; 64] = [
    "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16", "$17", "$18", "$19", "$20",
    "$21", "$22", "$23", "$24", "$25", "$26", "$27", "$28", "$29", "$30", "$31", "$32", "$33", "$34", "$35", "$36", "$37", "$38", "$39",
    "$40", "$41", "$42", "$43", "$44", "$45", "$46", "$47", "$48", "$49", "$50", "$51", "$52", "$53", "$54", "$55", "$56", "$57", "$58",
    "$59", "$60", "$61", "$62", "$63", "$64",
];

pub(super) fn sqlite_rows(connection: &Connection, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, DbError> {
    if args.len() > NAMES.len() {
        return Err(DbError::Other(format!("more than {} arguments", NAMES.len())));
    }
    let mut statement = connection.prepare_cached(sql)?;
    for (name, value) in NAMES.iter().zip(args) {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|index| from_sqlite(row.get_ref(index)?));
        found.push(Row(values.collect::<Result<_, DbError>>()?));
    }
    Ok(found)
}

fn borrowed(args: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    args.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

pub(super) async fn postgres_rows(client: &Object, sql: &str, args: &[Value]) -> Result<Vec<Row>, DbError> {
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &borrowed(args)).await?;
    rows.iter().map(postgres_row).collect()
}

fn postgres_row(row: &tokio_postgres::Row) -> Result<Row, DbError> {
    (0..row.len()).map(|index| from_postgres(row, index)).collect::<Result<_, _>>().map(Row)
}

/// The rows a statement returns, and how many it changed or, when it returns rows, returned.
pub(super) async fn postgres_write(client: &Object, sql: &str, args: &[Value]) -> Result<(Vec<Row>, u64), DbError> {
    let statement = client.prepare_cached(sql).await?;
    if statement.columns().is_empty() {
        return Ok((Vec::new(), client.execute(&statement, &borrowed(args)).await?));
    }
    let rows = client.query(&statement, &borrowed(args)).await?;
    let rows = rows.iter().map(postgres_row).collect::<Result<Vec<_>, _>>()?;
    let affected = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    Ok((rows, affected))
}

/// A pooled connection with a transaction open. Dropped before its end (its request was cancelled), the
/// connection is closed instead of going back to the pool with the transaction.
pub(super) struct Session {
    client: Option<Object>,
    open: bool,
}

impl Session {
    pub(super) async fn begin(client: Object, how: &'static str) -> Result<Self, DbError> {
        let session = Self { client: Some(client), open: true };
        session.client()?.batch_execute(how).await?;
        Ok(session)
    }

    pub(super) fn client(&self) -> Result<&Object, DbError> {
        self.client.as_ref().ok_or_else(|| DbError::Unavailable("the connection is gone".to_owned()))
    }

    pub(super) async fn end(&mut self, how: &'static str) -> Result<(), DbError> {
        self.client()?.batch_execute(how).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take().filter(|_| self.open) {
            drop(Object::take(client));
        }
    }
}
