//! A connection of the PostgreSQL pool while someone uses it.

use std::time::Duration;

use deadpool_postgres::Object;
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::error::DbError;
use super::tx::{MOST_ARGUMENTS, too_many};
use super::value::{Row, Value, from_postgres};

/// How long a statement may run before the server ends it.
pub(super) const STATEMENT_LIMIT: Duration = Duration::from_secs(30);
/// When we stop waiting for the server to do so: it is not there any more.
const ANSWER_LIMIT: Duration = Duration::from_secs(35);
/// How long a connection may take to come to rest after its user was cancelled.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);

/// Goes back to the pool when dropped at rest. Dropped in the middle (its request was cancelled, its closure
/// panicked), it is brought to rest first, and closed when that does not work.
pub(super) struct Session {
    client: Option<Object>,
    /// A transaction is open.
    open: bool,
    /// A statement is under way.
    busy: bool,
}

impl Session {
    pub(super) fn new(client: Object) -> Self {
        Self { client: Some(client), open: false, busy: false }
    }

    /// Opens a transaction.
    pub(super) async fn begin(&mut self, how: &'static str) -> Result<(), DbError> {
        self.open = true;
        self.bounded(async |client| Ok(client.batch_execute(how).await?)).await
    }

    /// Ends it.
    pub(super) async fn end(&mut self, how: &'static str) -> Result<(), DbError> {
        self.bounded(async |client| Ok(client.batch_execute(how).await?)).await?;
        self.open = false;
        Ok(())
    }

    /// Several statements without arguments, for migrations: however long they take.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        self.busy = true;
        let done = self.client()?.batch_execute(sql).await;
        self.busy = false;
        Ok(done?)
    }

    /// The rows a statement returns, and how many it changed or, when it returns rows, returned.
    pub(super) async fn run(&mut self, sql: &'static str, args: &[Value]) -> Result<(Vec<Row>, u64), DbError> {
        self.bounded(async |client| run(client, sql, args).await).await
    }

    /// Asks the server to parse a statement.
    pub(super) async fn prepare(&mut self, sql: &'static str) -> Result<(), DbError> {
        self.bounded(async |client| Ok(client.prepare(sql).await.map(drop)?)).await
    }

    /// The connection is gone, and not because of the statement.
    pub(super) fn is_gone(&self) -> bool {
        self.client.as_ref().is_none_or(|client| client.is_closed())
    }

    fn client(&self) -> Result<&Object, DbError> {
        self.client.as_ref().ok_or_else(|| DbError::Unavailable("the connection is gone".to_owned()))
    }

    async fn bounded<T>(&mut self, work: impl AsyncFnOnce(&Object) -> Result<T, DbError>) -> Result<T, DbError> {
        self.busy = true;
        let client = self.client()?;
        let Ok(done) = tokio::time::timeout(ANSWER_LIMIT, work(client)).await else {
            if let Some(client) = self.client.take() {
                drop(Object::take(client));
            }
            return Err(DbError::Unavailable("the database did not answer in time".to_owned()));
        };
        self.busy = false;
        done
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if !self.open && !self.busy {
            return;
        }
        let unrest = Unrest(Some(client));
        // Without a runtime, which is how a process ends, the connection is closed.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(unrest.settle(if self.open { "ROLLBACK" } else { "" }));
        }
    }
}

/// A connection that must not meet another user as it is.
struct Unrest(Option<Object>);

impl Unrest {
    async fn settle(mut self, how: &'static str) {
        let Some(client) = &self.0 else { return };
        // It is answered after whatever is under way.
        if let Ok(Ok(())) = tokio::time::timeout(SETTLE_LIMIT, client.batch_execute(how)).await {
            drop(self.0.take());
        }
    }
}

impl Drop for Unrest {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

async fn run(client: &Object, sql: &'static str, args: &[Value]) -> Result<(Vec<Row>, u64), DbError> {
    if args.len() > MOST_ARGUMENTS {
        return Err(too_many(args.len()));
    }
    let statement = client.prepare_cached(sql).await?;
    let bound: Vec<&(dyn ToSql + Sync)> = args.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
    let answer = if statement.columns().is_empty() {
        client.execute(&statement, &bound).await.map(|changed| (Vec::new(), changed))
    } else {
        client.query(&statement, &bound).await.map(|rows| {
            let affected = u64::try_from(rows.len()).unwrap_or(u64::MAX);
            (rows, affected)
        })
    };
    let (rows, affected) = answer.map_err(|error| refused(client, sql, error))?;
    Ok((rows.iter().map(row).collect::<Result<_, _>>()?, affected))
}

/// A migration of another instance has changed what the prepared statement returns ("cached plan must not change result
/// type"), or a proxy has forgotten it: nothing was done, and prepared anew it works.
fn refused(client: &Object, sql: &str, error: tokio_postgres::Error) -> DbError {
    let stale = [&SqlState::FEATURE_NOT_SUPPORTED, &SqlState::INVALID_SQL_STATEMENT_NAME];
    if !error.code().is_some_and(|code| stale.contains(&code)) {
        return error.into();
    }
    match Object::pool(client) {
        // The other connections hold it, too.
        Some(pool) => pool.manager().statement_caches.remove(sql, &[]),
        None => drop(client.statement_cache.remove(sql, &[])),
    }
    DbError::Serialization
}

fn row(row: &tokio_postgres::Row) -> Result<Row, DbError> {
    (0..row.len()).map(|index| from_postgres(row, index)).collect::<Result<_, _>>().map(Row)
}
