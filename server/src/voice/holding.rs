//! Voice sessions as their person gets them.

use super::{store, view};
use crate::app::App;
use crate::privacy::holdings::{Asked, Erasure, Holding, Kept, Page, ROWS, Reading, Records};

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "voiceSessions",
    title: "Voice sessions",
    about: "Sessions in which you talked: when, in which language, and what you called them.",
    tables: &[("voice_sessions", "owner_id")],
    // What was transcribed hangs from them and goes when they do.
    kept: Kept::Days(|retention| retention.transcripts),
    erasure: Erasure::Deleted,
    records: Records::Exported(records),
};

/// Tokens for their rooms, of which only ids are kept.
pub const TOKENS: Holding = Holding {
    name: "voiceTokens",
    title: "Tokens for voice rooms",
    about: "By which ids you joined voice rooms in the last day, so that nobody joins twice with one token.",
    tables: &[("voice_tokens", "owner_id")],
    kept: Kept::Until("a day after they expired"),
    erasure: Erasure::Deleted,
    records: Records::Withheld("The ids say nothing of you; when a token was issued and redeemed stands among the audit events."),
};

fn records<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let rows = store::list(&app.ground.db, asked.person, asked.after_id(), ROWS).await?;
        Page::of(rows, |session| session.id, |session| Ok(view::open(&session, &asked.key, asked.now)?))
    })
}
