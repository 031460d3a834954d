//! Arguments and column values, the same for both engines.

use std::borrow::Cow;
use std::error::Error;

use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use super::error::DbError;
use crate::time::Timestamp;

/// A bound argument or a column value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// `uuid`; 16 bytes on SQLite.
    Uuid(Uuid),
    /// `text`.
    Text(Cow<'static, str>),
    /// `bytea`.
    Bytes(Vec<u8>),
    /// `bigint`.
    I64(i64),
    /// `boolean`; 0 or 1 on SQLite.
    Bool(bool),
}

macro_rules! from_value {
    ($($from:ty => |$v:ident| $make:expr),+ $(,)?) => { $(impl From<$from> for Value { fn from($v: $from) -> Self { $make } })+ };
}

from_value! {
    Uuid => |v| Value::Uuid(v),
    String => |v| Value::Text(v.into()),
    &'static str => |v| Value::Text(v.into()),
    Vec<u8> => |v| Value::Bytes(v),
    i64 => |v| Value::I64(v),
    i32 => |v| Value::I64(v.into()),
    u32 => |v| Value::I64(v.into()),
    bool => |v| Value::Bool(v),
    Timestamp => |v| Value::I64(v.as_micros()),
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(v: [u8; N]) -> Self {
        Self::Bytes(v.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

/// The arguments of a statement in order: `args![id, now]`.
#[macro_export]
macro_rules! args {
    ($($v:expr),* $(,)?) => { vec![$($crate::db::Value::from($v)),*] };
}

/// A row of an answer; columns by position.
#[derive(Debug)]
pub struct Row(pub(super) Vec<Value>);

impl Row {
    /// The value of column `index`, counted from 0.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T, DbError> {
        let value = self.0.get(index).ok_or_else(|| DbError::Decode(format!("there is no column {index}")))?;
        T::from_value(value).ok_or_else(|| DbError::Decode(format!("column {index} is not a {}", std::any::type_name::<T>())))
    }
}

/// Types that a column can be read as.
pub trait FromValue: Sized {
    /// `None` when the column holds something else.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! readable {
    ($($to:ty: $($pattern:pat => $make:expr),+;)+) => {
        $(impl FromValue for $to {
            fn from_value(value: &Value) -> Option<Self> {
                match value { $($pattern => $make,)+ _ => None }
            }
        })+
    };
}

readable! {
    Uuid: Value::Uuid(v) => Some(*v), Value::Bytes(v) => Uuid::from_slice(v).ok();
    String: Value::Text(v) => Some(v.clone().into_owned());
    Vec<u8>: Value::Bytes(v) => Some(v.clone());
    i64: Value::I64(v) => Some(*v);
    u32: Value::I64(v) => u32::try_from(*v).ok();
    u64: Value::I64(v) => u64::try_from(*v).ok();
    bool: Value::Bool(v) => Some(*v), Value::I64(v) => Some(*v != 0);
    Timestamp: Value::I64(v) => Some(Timestamp::from_micros(*v));
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        }
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Uuid(id) => ValueRef::Blob(id.as_bytes()),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::I64(number) => ValueRef::Integer(*number),
            Self::Bool(flag) => ValueRef::Integer(i64::from(*flag)),
        }))
    }
}

/// A column of SQLite.
pub(super) fn from_sqlite(value: ValueRef<'_>) -> Result<Value, DbError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::I64(number),
        ValueRef::Real(_) => return Err(DbError::Decode("a floating-point column".to_owned())),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned().into()),
            Err(_) => return Err(DbError::Decode("a text that is not UTF-8".to_owned())),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    })
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Uuid(id) => id.to_sql_checked(ty, out),
            Self::Text(text) => text.as_ref().to_sql_checked(ty, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(ty, out),
            Self::Bool(flag) => flag.to_sql_checked(ty, out),
            Self::I64(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
            Self::I64(number) if *ty == Type::INT2 => i16::try_from(*number)?.to_sql(ty, out),
            Self::I64(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            Self::I64(_) => Err(format!("an integer for a parameter of type {ty}; cast it in the statement").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column of PostgreSQL.
pub(super) fn from_postgres(row: &tokio_postgres::Row, index: usize) -> Result<Value, DbError> {
    let ty = row.columns()[index].type_();
    let value = match *ty {
        Type::UUID => row.try_get::<_, Option<Uuid>>(index)?.map(Value::Uuid),
        Type::TEXT | Type::VARCHAR | Type::NAME => row.try_get::<_, Option<String>>(index)?.map(Value::from),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index)?.map(Value::Bytes),
        Type::INT8 => row.try_get::<_, Option<i64>>(index)?.map(Value::I64),
        Type::INT4 => row.try_get::<_, Option<i32>>(index)?.map(Value::from),
        Type::INT2 => row.try_get::<_, Option<i16>>(index)?.map(|number| Value::I64(number.into())),
        Type::BOOL => row.try_get::<_, Option<bool>>(index)?.map(Value::Bool),
        _ => return Err(DbError::Decode(format!("a column of type {ty}"))),
    };
    Ok(value.unwrap_or(Value::Null))
}

/// Bytes as they stand inside a JSON argument: `unhex` reads them on SQLite, `decode(…, 'hex')` on PostgreSQL.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}
