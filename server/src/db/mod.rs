//! The store: one SQL text for both engines, the only place that names an engine.
//!
//! INTERFACE SKETCH (bodies to be written by the owner of this folder).
#![allow(missing_docs, unused, clippy::todo)]

use crate::time::Timestamp;
use std::borrow::Cow;
use uuid::Uuid;

/// One statement: `$1` placeholders, the same text for both engines unless the dialects differ.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

/// Declares a slice's statements as constants and lists them in `STATEMENTS`, so that a test can
/// prepare every one of them on both engines.
#[macro_export]
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sqlite:literal $(, postgres $postgres:literal)?;)+) => {
        $($(#[$doc])* pub(super) const $name: $crate::db::Sql = $crate::statements!(@one $sqlite $(, $postgres)?);)+
        /// Every statement of this slice, by name.
        pub const STATEMENTS: &[(&str, $crate::db::Sql)] = &[$((stringify!($name), $name)),+];
    };
    (@one $both:literal) => { $crate::db::Sql { sqlite: $both, postgres: $both } };
    (@one $sqlite:literal, $postgres:literal) => { $crate::db::Sql { sqlite: $sqlite, postgres: $postgres } };
}

/// A bound argument or a column value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Uuid(Uuid),
    Text(Cow<'static, str>),
    Bytes(Vec<u8>),
    I64(i64),
    Bool(bool),
}

macro_rules! from_value {
    ($($from:ty => |$v:ident| $make:expr),+ $(,)?) => { $(impl From<$from> for Value { fn from($v: $from) -> Self { $make } })+ };
}
from_value! {
    Uuid => |v| Value::Uuid(v), String => |v| Value::Text(v.into()), &'static str => |v| Value::Text(v.into()),
    Vec<u8> => |v| Value::Bytes(v), i64 => |v| Value::I64(v), bool => |v| Value::Bool(v), Timestamp => |v| Value::I64(v.as_micros()),
    i32 => |v| Value::I64(v.into()), u32 => |v| Value::I64(v.into()),
}
impl<const N: usize> From<[u8; N]> for Value {
    fn from(v: [u8; N]) -> Self {
        Value::Bytes(v.to_vec())
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}

/// The arguments of a statement in order: `args![id, now]`.
#[macro_export]
macro_rules! args {
    ($($v:expr),* $(,)?) => { vec![$($crate::db::Value::from($v)),*] };
}

/// What can go wrong in the store, in the words of its callers.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database cannot be reached, is starting, or has no connection free in time.
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

/// A row of an answer; columns by position.
#[derive(Debug)]
pub struct Row(pub(crate) Vec<Value>);
impl Row {
    /// The value of column `index`.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T, DbError> {
        todo!()
    }
}
/// Types a column can be read as: Uuid, String, Vec<u8>, i64, u32, bool, Timestamp, [u8; N], Option<T>.
pub trait FromValue: Sized {
    fn from_value(value: &Value) -> Result<Self, DbError>;
}
macro_rules! todo_from { ($($t:ty),+) => { $(impl FromValue for $t { fn from_value(_: &Value) -> Result<Self, DbError> { todo!() } })+ } }
todo_from!(Uuid, String, Vec<u8>, i64, u32, bool, Timestamp);
impl<T: FromValue> FromValue for Option<T> {
    fn from_value(_: &Value) -> Result<Self, DbError> {
        todo!()
    }
}
impl<const N: usize> FromValue for [u8; N] {
    fn from_value(_: &Value) -> Result<Self, DbError> {
        todo!()
    }
}

/// An open transaction (or read snapshot).
pub struct Tx(());
impl Tx {
    pub async fn query(&mut self, sql: Sql, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        todo!()
    }
    pub async fn query_opt(&mut self, sql: Sql, args: Vec<Value>) -> Result<Option<Row>, DbError> {
        todo!()
    }
    /// Affected rows.
    pub async fn execute(&mut self, sql: Sql, args: Vec<Value>) -> Result<u64, DbError> {
        todo!()
    }
    /// Runs `hook` after this transaction is durably committed, never when it is rolled back. Must not block.
    pub fn on_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        todo!()
    }
}

/// The database of the installation; clones share it.
#[derive(Clone)]
pub struct Db(());
impl Db {
    /// Many statements on one snapshot, read only.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        todo!()
    }
    /// A transaction: commits on `Ok`, rolls back on `Err`; run again on serialization failure.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        todo!()
    }
    /// One reading statement.
    pub async fn query(&self, sql: Sql, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        todo!()
    }
    pub async fn query_opt(&self, sql: Sql, args: Vec<Value>) -> Result<Option<Row>, DbError> {
        todo!()
    }
    /// One writing statement that is its own transaction (one round trip): the rows it returns and how many it affected.
    pub async fn write_one(&self, sql: Sql, args: Vec<Value>) -> Result<(Vec<Row>, u64), DbError> {
        todo!()
    }
}
