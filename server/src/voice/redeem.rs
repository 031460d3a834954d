//! A service redeems a voice token before it lets its holder in: exactly once.
//!
//! That it was redeemed stands in the database and nowhere else, also where there is a Redis: one conditional UPDATE is atomic across
//! instances, outlives each of them, and a Redis that is lost or cleared lets nobody in twice.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::token_store::{self, Fate, Redeemed};
use super::{issue, view};
use crate::app::App;
use crate::audit::{self, Target};
use crate::db::Tx;
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::http::guard::Subject;
use crate::time::Timestamp;

/// The token that somebody came with.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = VoiceTokenPresented)]
pub(super) struct Presented {
    /// The join token.
    #[schema(min_length = 1, max_length = 4096)]
    pub token: String,
}

/// Whom to let in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VoiceTokenRedeemed)]
pub(super) struct VoiceTokenRedeemed {
    /// The person.
    pub user_id: Uuid,
    /// Their identity in the room (`sub` of the token).
    pub participant: String,
    /// The room.
    pub room: String,
    /// The voice session.
    pub voice_session_id: Uuid,
    /// When the token was redeemed: now.
    #[schema(value_type = String, format = DateTime)]
    pub redeemed_at: Timestamp,
    /// When the token ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// Why a token of ours is good for nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Redeemed,
    Revoked,
    Expired,
    SessionOver,
}

impl Refusal {
    /// Why a token of which `fate` is known was not redeemed: where nothing is wrong with it, what it hangs from is over.
    const fn of(fate: Fate, now: Timestamp) -> Self {
        if fate.redeemed_at.is_some() {
            return Self::Redeemed;
        }
        if fate.revoked_at.is_some() {
            return Self::Revoked;
        }
        if fate.expires_at.as_micros() <= now.as_micros() {
            return Self::Expired;
        }
        Self::SessionOver
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Redeemed => "repeated",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::SessionOver => "session_over",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Redeemed => "This voice token was redeemed before. Its holder needs another one.",
            Self::Revoked => "This voice token was revoked: the sign-in or the voice session that it was issued in has ended.",
            Self::Expired => "This voice token has expired. Its holder needs another one.",
            Self::SessionOver => {
                "What this voice token was issued for is over: the voice session, or what the program or the application had to show."
            }
        }
    }
}

/// Redeems the token that `service` was shown.
///
/// # Errors
/// `validation_failed` for what this installation did not issue with its API key; `gone` for what is not good (any more).
pub(super) async fn redeem(
    app: &App,
    service: Subject,
    request: &Presented,
    origin: &Origin,
    now: Timestamp,
) -> Result<VoiceTokenRedeemed, Problem> {
    let ground = &app.ground;
    let Some(presented) = issue::livekit(app)?.read(&request.token) else { return Err(unknown()) };
    let id = presented.jti;
    let event = audit::Event::new(ground, audit::VOICE_TOKEN_REDEEMED, now)
        .actor(service.into())
        .target(Target::token(id))
        .origin(ground, None, origin);
    let redeemed = ground.db.write(async move |tx| take(tx, id, service, &event, now).await).await?;
    let outcome = redeemed.as_ref().map_or_else(|refusal| refusal.map_or("unknown", Refusal::word), |_| "redeemed");
    metrics::counter!(super::VOICE_TOKENS, "outcome" => outcome).increment(1);
    match redeemed {
        Ok(Redeemed { voice_session, owner, expires_at }) => Ok(VoiceTokenRedeemed {
            user_id: owner,
            participant: owner.to_string(),
            room: view::room(voice_session),
            voice_session_id: voice_session,
            redeemed_at: now,
            expires_at,
        }),
        Err(Some(refusal)) => Err(Problem::new(Code::Gone).detail(refusal.sentence())),
        Err(None) => Err(unknown()),
    }
}

/// Whether the token that `service` has redeemed, and asks about again, still lets its holder in: an answer that is kept for a day says
/// nothing of what has ended since.
///
/// # Errors
/// `gone` when it does not.
pub(super) async fn recheck(app: &App, service: Subject, token: &str, now: Timestamp) -> Result<(), Problem> {
    let Some(presented) = issue::livekit(app)?.read(token) else { return Err(unknown()) };
    if token_store::stands(&app.ground.db, presented.jti, service.id(), now).await? {
        return Ok(());
    }
    let detail = "This voice token was redeemed with this Idempotency-Key, and has expired or been revoked since.";
    Err(Problem::new(Code::Gone).detail(detail))
}

/// The redemption, or why there is none; both on record. `None`: this installation knows no such token (any more).
async fn take(
    tx: &mut Tx,
    id: Uuid,
    service: Subject,
    event: &audit::Event,
    now: Timestamp,
) -> Result<Result<Redeemed, Option<Refusal>>, Problem> {
    if let Some(redeemed) = token_store::redeem(tx, id, service.id(), now).await? {
        let event = event.clone().detail("of", redeemed.owner.to_string()).detail("voiceSession", redeemed.voice_session.to_string());
        audit::record(tx, &event).await?;
        return Ok(Ok(redeemed));
    }
    let Some(fate) = token_store::find(tx, id).await? else { return Ok(Err(None)) };
    let refusal = Refusal::of(fate, now);
    audit::record(tx, &event.clone().denied().detail("reason", refusal.word())).await?;
    Ok(Err(Some(refusal)))
}

fn unknown() -> Problem {
    let message = "This is no voice token of this server: it is altered, or was made with another API key or secret.";
    Problem::new(Code::ValidationFailed).field("token", "invalid", message)
}
