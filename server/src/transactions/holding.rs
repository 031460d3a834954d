//! What this slice holds about people.

use uuid::Uuid;

use super::listing::{Selection, Typed, find};
use super::view;
use crate::app::App;
use crate::error::Problem;
use crate::http::keyset::Place;
use crate::privacy::holdings::{ROWS, record};
use crate::privacy::{Asked, Erasure, Holding, Kept, Page, Reading, Records};

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "transactions",
    title: "Transactions",
    about: "What you wrote down as earned or spent, deleted ones that can still be restored included.",
    tables: &[
        ("transactions", "owner_id"),
        ("transaction_ledgers", "owner_id"),
        ("transaction_ledgers", "user_id"),
        ("transaction_words", "owner_id"),
        ("transaction_categories", "owner_id"),
        ("transaction_totals", "owner_id"),
    ],
    kept: Kept::Until("as long as the account; a deleted one until it can be restored no longer"),
    erasure: Erasure::Deleted,
    records: Records::Exported(records),
};

fn records<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let typed = Typed { include_deleted: true, sort: Some("createdAt".to_owned()), ..Typed::default() };
        let filter = Selection::check(&typed)?.keyed(&asked.key);
        let after = asked.after.as_deref().map(place).transpose()?;
        let limit = u32::try_from(ROWS).unwrap_or(u32::MAX);
        let found = find(&app.ground.db, asked.person, &filter, after, limit).await?;
        let records = found.rows.into_iter().map(|row| record(&view::open(row, &asked.key)?)).collect::<Result<_, Problem>>()?;
        Ok(Page { records, next: found.next.map(|place| format!("{} {}", place.key, place.id)) })
    })
}

fn place(after: &str) -> Result<Place, Problem> {
    let parts = after.split_once(' ').and_then(|(key, id)| Some(Place { key: key.parse().ok()?, id: Uuid::try_parse(id).ok()? }));
    parts.ok_or_else(|| Problem::internal("a page of transactions begins nowhere"))
}
