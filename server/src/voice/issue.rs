//! A token for the room of a voice session, and credentials for the relays on the way there.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::livekit::LiveKit;
use super::store::{self, Standing};
use super::token_store::{self, Holder, NewToken};
use super::turn::{self, IceServer};
use super::view;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::db::Tx;
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::http::guard::Verified;
use crate::sessions;
use crate::time::Timestamp;

/// Nothing needs to be said.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewVoiceToken)]
pub(super) struct NewVoiceToken {}

/// What a client connects with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VoiceTokenMade {
    /// The join token (a JWT); shown this once.
    pub token: String,
    /// The media server.
    pub url: String,
    /// The room.
    pub room: String,
    /// When the token and the credentials end.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// For the peer connection; empty where no STUN or TURN server is configured.
    pub ice_servers: Vec<IceServer>,
}

/// The media server; voice tokens need one.
///
/// # Errors
/// `feature_disabled`, with how to enable it.
pub(super) fn livekit(app: &App) -> Result<LiveKit<'_>, Problem> {
    LiveKit::of(&app.ground.settings.voice).ok_or_else(|| {
        Problem::new(Code::FeatureDisabled).detail(
            "Voice tokens are not enabled on this server. Whoever runs it enables them with KEYSTEAD_VOICE__LIVEKIT_URL, \
             KEYSTEAD_VOICE__LIVEKIT_API_KEY and KEYSTEAD_VOICE__LIVEKIT_API_SECRET.",
        )
    })
}

/// Issues a token of `caller`, who is `holder`, for their voice session `id`. It ends with what it is issued to, at the latest.
///
/// # Errors
/// `not_found` for a session that is not theirs, `conflict` for one that is over.
pub(super) async fn issue(
    app: &App,
    caller: &Verified,
    holder: Holder,
    id: Uuid,
    origin: &Origin,
    now: Timestamp,
) -> Result<VoiceTokenMade, Problem> {
    let (ground, livekit) = (&app.ground, livekit(app)?);
    let (owner, voice) = (caller.subject.id(), &ground.settings.voice);
    // Whole seconds, as the token says it: the store and the token agree to the instant.
    let expires_at = Timestamp::from_secs(now.plus(voice.token_ttl).min(end_of(app, caller, holder).await?).as_secs());
    let (jti, participant, room) = (ground.random.uuid(now), owner.to_string(), view::room(id));
    let token = livekit.token(jti, &participant, &room, now, expires_at)?;
    let key = ground.keyring.get(owner).await?;
    let event = audit::Event::new(ground, audit::VOICE_TOKEN_ISSUED, now)
        .actor(Actor::User(owner))
        .target(Target::token(jti))
        .detail("voiceSession", id.to_string())
        .detail("expiresAt", expires_at.to_rfc3339())
        .origin(ground, Some(&key), origin);
    let (new, idle) = (NewToken { id: jti, voice_session: id, owner, holder, created_at: now, expires_at }, voice.idle_ttl);
    ground
        .db
        .write(async move |tx| {
            hold(tx, owner, holder).await?;
            match store::own_active(tx, id, owner, idle, now).await? {
                Standing::Active => {}
                Standing::Over => return Err(Problem::new(Code::Conflict).detail("This voice session is over. Open another one.")),
                Standing::Unknown => return Err(Code::NotFound.into()),
            }
            token_store::insert(tx, new).await?;
            audit::record(tx, &event).await?;
            Ok(())
        })
        .await?;
    metrics::counter!(super::VOICE_TOKENS, "outcome" => "issued").increment(1);
    let ice_servers = turn::ice_servers(voice, &participant, expires_at);
    Ok(VoiceTokenMade { token, url: livekit.url.to_owned(), room, expires_at, ice_servers })
}

/// When what the token is issued to ends, whatever happens.
async fn end_of(app: &App, caller: &Verified, holder: Holder) -> Result<Timestamp, Problem> {
    match holder {
        Holder::Login(session) => {
            let found = sessions::store::find(&app.ground.db, session).await?;
            Ok(found.ok_or(Code::SessionRevoked)?.expires_at)
        }
        Holder::Program(_) => Ok(caller.expires_at),
    }
}

/// Whether `holder` still may, and goes on to until `tx` ends: what is revoked at this moment takes the token along.
async fn hold(tx: &mut Tx, owner: Uuid, holder: Holder) -> Result<(), Problem> {
    let goes_on = match holder {
        Holder::Login(session) => sessions::store::hold(tx, session).await?,
        // Whether the personal access token still stands is asked when the voice token is redeemed.
        Holder::Program(_) => store::hold_owner(tx, owner).await?,
    };
    if goes_on { Ok(()) } else { Err(Code::SessionRevoked.into()) }
}
