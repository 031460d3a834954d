//! Transactions: what people earn and spend, to the minor unit of each currency, and what it sums up to.
//!
//! An amount is a whole number of minor units ([`money`]); nothing here ever was a floating-point number. Description, category and
//! metadata stand sealed under the owner's key ([`content`]); a category is found by its blind index, and a word of a description by
//! another ([`words`]), so both are of use to nobody once the key is destroyed. Lists go along an index and look at a bounded number
//! of rows ([`listing`]); summaries are read from sums by day and month that every write keeps up ([`totals`], [`summary`]).
//!
//! Everything is the owner's alone. Others see it through `/api/v1/admin/users/{id}/transactions`, and each look is on record.
//!
//! Owns the tables `transaction_ledgers`, `transactions`, `transaction_words`, `transaction_categories` and `transaction_totals`. Its
//! store reads the table of `accounts` when a ledger is opened.

mod admin;
mod body;
mod change;
mod content;
mod create;
mod holding;
mod list_store;
mod listing;
mod money;
mod period;
mod reader;
mod remove;
mod retention;
mod retention_store;
mod routes;
mod store;
mod summary;
mod totals;
mod totals_store;
mod view;
mod words;

pub use body::Kind;
pub use create::{Entry, write_many};
pub use holding::HOLDING;
pub use list_store::STATEMENTS as LIST_STATEMENTS;
pub use listing::{Order, Selection, Typed};
pub use money::{Currency, MoneyFault, WHOLE_DIGITS};
pub use reader::Reader;
pub use retention::{Ledgers, sweep};
pub use retention_store::STATEMENTS as RETENTION_STATEMENTS;
pub use store::STATEMENTS;
pub use totals_store::STATEMENTS as TOTAL_STATEMENTS;
pub use view::TransactionView;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(routes::routes()).merge(admin::routes())
}
