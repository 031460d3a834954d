//! Statements: one text for both engines, two only where the dialects differ.

/// One statement with `$1` placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

/// Declares a slice's statements as constants and lists them in `STATEMENTS`, so that a test can prepare
/// every one of them on both engines.
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
