//! Exports as an export shows them: that they were ordered. What stands in the files stands in the other parts, too.

use serde::Serialize;
use uuid::Uuid;

use super::store;
use crate::app::App;
use crate::privacy::holdings::{Asked, Erasure, Holding, Kept, Page, ROWS, Reading, Records};
use crate::time::Timestamp;

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "exports",
    title: "Exports",
    about: "Files of your data that you ordered, and when they go. They are sealed, and only you can fetch them.",
    tables: &[("exports", "user_id")],
    kept: Kept::Days(|retention| retention.exports),
    erasure: Erasure::Deleted,
    records: Records::Exported(records),
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    id: Uuid,
    kind: String,
    format: String,
    status: String,
    rows: i64,
    bytes: i64,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

fn records<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let rows = store::list(&app.ground.db, asked.person, asked.after_id(), ROWS).await?;
        Page::of(
            rows,
            |export| export.id,
            |export| {
                Ok(Record {
                    id: export.id,
                    kind: export.kind,
                    format: export.format,
                    status: export.status,
                    rows: export.rows_done,
                    bytes: export.bytes,
                    created_at: export.created_at,
                    expires_at: export.expires_at,
                })
            },
        )
    })
}
