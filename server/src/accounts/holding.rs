//! The account itself, as its person gets it.

use serde::Serialize;

use super::store;
use super::view::{PersonView, UserBody};
use crate::app::App;
use crate::privacy::{Asked, Erasure, Holding, Kept, Page, Reading, Records};
use crate::time::Timestamp;

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "profile",
    title: "Profile",
    about: "Your address, name and job role, the state of your account, and what it may do. Your password is kept as a hash from which nobody reads it.",
    tables: &[("users", "id")],
    kept: Kept::WithAccount,
    erasure: Erasure::Deleted,
    records: Records::Exported(records),
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    #[serde(flatten)]
    user: UserBody,
    email_verified_at: Option<Timestamp>,
    has_password: bool,
    password_changed_at: Option<Timestamp>,
    updated_at: Timestamp,
}

fn records<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let Some(row) = store::find(&app.ground.db, asked.person).await? else { return Ok(Page::default()) };
        let user = PersonView::open(&row, &asked.key)?.body();
        Page::one(&Profile {
            user,
            email_verified_at: row.email_verified_at,
            has_password: row.password_hash.is_some(),
            password_changed_at: row.password_changed_at,
            updated_at: row.updated_at,
        })
    })
}

/// What waits to become accounts.
pub const IMPORTS: Holding = Holding {
    name: "imports",
    title: "Imports of accounts",
    about: "That you handed in a list of accounts, and what became of it. The list itself is sealed and goes line by line as it is carried out.",
    tables: &[("user_imports", "actor_id")],
    kept: Kept::Until("30 days after it ended"),
    erasure: Erasure::Detached,
    records: Records::Withheld("The list is about others; that you handed it in stands among the audit events."),
};
