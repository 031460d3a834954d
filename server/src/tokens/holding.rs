//! Personal access tokens as their person gets them.

use serde::Serialize;

use super::store;
use super::view::{self, TokenView};
use crate::app::App;
use crate::privacy::holdings::{Asked, Erasure, Holding, Kept, Page, ROWS, Reading, Records};
use crate::time::Timestamp;

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "personalTokens",
    title: "Personal access tokens",
    about: "Tokens that you made for programs, and what they may do. The tokens themselves are kept as hashes from which nobody reads them.",
    tables: &[("personal_tokens", "user_id")],
    kept: Kept::Until("30 days after they ended"),
    erasure: Erasure::Deleted,
    records: Records::Exported(records),
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(flatten)]
    token: TokenView,
    revoked_at: Option<Timestamp>,
}

fn records<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let rows = store::all_of(&app.ground.db, asked.person, asked.after_id(), ROWS).await?;
        Page::of(rows, |token| token.id, |token| Ok(Record { revoked_at: token.revoked_at, token: view::open(token, &asked.key)? }))
    })
}
