//! A voice session as its person sees it.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::Stored;
use crate::secret::{PersonKey, Place, SealError};
use crate::time::Timestamp;

/// What a voice session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = VoiceSessionStatus)]
pub enum Status {
    /// It goes on.
    Active,
    /// It was ended.
    Ended,
    /// It was not used for too long.
    Expired,
}

/// A voice session.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VoiceSession)]
pub struct VoiceSessionView {
    /// The session's id.
    pub id: Uuid,
    /// What its person calls it.
    #[schema(required = true)]
    pub title: Option<String>,
    /// The language that is spoken, as a BCP 47 tag in its canonical case.
    #[schema(required = true)]
    pub language: Option<String>,
    /// Whether it goes on.
    pub status: Status,
    /// The room of the media server.
    pub room: String,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last used: a token was issued, or a transcript segment came.
    #[schema(value_type = String, format = DateTime)]
    pub last_active_at: Timestamp,
    /// When it expires unless it is used; null once it is over.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub idle_expires_at: Option<Timestamp>,
    /// When it ended or expired.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub ended_at: Option<Timestamp>,
}

/// `{voiceSession}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VoiceSessionAnswer {
    pub voice_session: VoiceSessionView,
}

/// The room of a voice session: one for each, so that a token for one opens no other.
pub(super) fn room(session: Uuid) -> String {
    format!("voice-{session}")
}

fn place(id: &Uuid) -> Place<'_> {
    Place { table: "voice_sessions", column: "title", row: id.as_bytes() }
}

/// Seals the title of the session `id`.
pub(super) fn seal_title(key: &PersonKey, id: Uuid, title: &str) -> Vec<u8> {
    key.seal(place(&id), title.as_bytes())
}

/// Opens a row with its person's key, as it stands at `now`: nobody needs to have swept for a session to be expired.
pub(super) fn open(stored: &Stored, key: &PersonKey, now: Timestamp) -> Result<VoiceSessionView, SealError> {
    let status = match (stored.end_reason.is_some(), stored.ends_at > now) {
        (true, _) => Status::Ended,
        (false, true) => Status::Active,
        (false, false) => Status::Expired,
    };
    let active = status == Status::Active;
    Ok(VoiceSessionView {
        id: stored.id,
        title: stored.title.as_deref().map(|title| key.open_text(place(&stored.id), title)).transpose()?,
        language: stored.language.clone(),
        status,
        room: room(stored.id),
        created_at: stored.created_at,
        last_active_at: stored.last_active_at,
        idle_expires_at: active.then_some(stored.ends_at),
        ended_at: (!active).then_some(stored.ends_at),
    })
}
