//! What can go wrong in the store, in the words of its callers.

use rusqlite::ErrorCode;
use tokio_postgres::error::SqlState;

/// A failed statement, transaction or connection.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DbError {
    /// The database cannot be reached, is starting, is full, or has no connection free in time.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A unique constraint refused the row; `0` is the constraint or `table.column` as the engine names it.
    #[error("a unique constraint was violated: {0}")]
    Unique(String),
    /// The transaction lost against another one and was retried too often.
    #[error("the transaction could not be serialised")]
    Serialization,
    /// A column did not hold what the code expects.
    #[error("unexpected column value: {0}")]
    Decode(String),
    /// Anything else the engine said.
    #[error("the database refused the statement: {0}")]
    Other(String),
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, message) = &error else { return Self::Other(error.to_string()) };
        let message = message.clone().unwrap_or_else(|| failure.to_string());
        match (failure.code, failure.extended_code) {
            // SQLITE_CONSTRAINT_PRIMARYKEY and SQLITE_CONSTRAINT_UNIQUE
            (_, 1555 | 2067) => Self::Unique(message.trim_start_matches("UNIQUE constraint failed: ").to_owned()),
            (
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly,
                _,
            ) => Self::Unavailable(message),
            _ => Self::Other(message),
        }
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            // Without an answer of the server it is the connection that failed, unless the values did not fit.
            return if error.is_closed() || std::error::Error::source(&error).is_some_and(|cause| cause.is::<std::io::Error>()) {
                Self::Unavailable(error.to_string())
            } else {
                Self::Other(with_source(&error))
            };
        };
        let state = said.code();
        match state.code() {
            "40001" | "40P01" => Self::Serialization,
            _ if *state == SqlState::UNIQUE_VIOLATION => {
                Self::Unique(said.constraint().or(said.table()).unwrap_or("unknown constraint").to_owned())
            }
            // Connection exceptions, insufficient resources, operator intervention.
            code if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") || code == "57014" || code == "25006" => {
                Self::Unavailable(said.message().to_owned())
            }
            code => Self::Other(format!("{code}: {}", said.message())),
        }
    }
}

impl From<deadpool_postgres::PoolError> for DbError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        use deadpool_postgres::PoolError;
        match error {
            PoolError::Timeout(_) => Self::Unavailable("no connection was free in time".to_owned()),
            PoolError::Backend(error) => Self::Unavailable(with_source(&error)),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// The error with its cause, because tokio-postgres keeps the telling half there.
fn with_source(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
