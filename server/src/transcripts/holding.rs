//! Transcripts as their person gets them.

use serde::Serialize;
use uuid::Uuid;

use super::segment::{self, SegmentView};
use super::store;
use crate::app::App;
use crate::privacy::holdings::{Asked, Erasure, Holding, Kept, Page, ROWS, Reading, Records, record};

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "transcripts",
    title: "Transcripts",
    about: "What was said in your voice sessions, segment by segment, with who said it and when.",
    tables: &[("transcript_segments", "voice_session_id"), ("transcripts", "voice_session_id")],
    kept: Kept::Days(|retention| retention.transcripts),
    erasure: Erasure::Deleted,
    records: Records::Exported(records),
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    voice_session_id: Uuid,
    #[serde(flatten)]
    segment: SegmentView,
}

fn records<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let (session, seq) = asked.after.as_deref().and_then(place).unwrap_or((Uuid::nil(), -1));
        let rows = store::all_of(&app.ground.db, asked.person, session, seq, ROWS).await?;
        let full = i64::try_from(rows.len()).is_ok_and(|count| count >= ROWS);
        let next = rows.last().filter(|_| full).map(|(session, row)| format!("{session}/{}", row.seq));
        let show = |(session, row): &(Uuid, store::Stored)| {
            record(&Record { voice_session_id: *session, segment: segment::open(row, &asked.key, *session)? })
        };
        Ok(Page { records: rows.iter().map(show).collect::<Result<_, _>>()?, next })
    })
}

/// The last segment of the page before.
fn place(after: &str) -> Option<(Uuid, i64)> {
    let (session, seq) = after.split_once('/')?;
    Some((session.parse().ok()?, seq.parse().ok()?))
}
