//! A person ends a voice session; whoever comes again finds it ended.

use uuid::Uuid;

use super::view::{self, VoiceSessionView};
use super::{channel, store, token_store};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::time::Timestamp;

/// Ends the voice session `id` of `owner` on record, with the tokens that nobody has redeemed, unless it is over already; the
/// session, as it is then.
///
/// # Errors
/// `not_found` when they have no such session.
pub(super) async fn end(app: &App, id: Uuid, owner: Uuid, origin: &Origin, now: Timestamp) -> Result<VoiceSessionView, Problem> {
    let ground = &app.ground;
    let key = ground.keyring.get(owner).await?;
    let event = audit::Event::new(ground, audit::VOICE_SESSION_ENDED, now)
        .actor(Actor::User(owner))
        .target(Target::voice_session(id))
        .detail("reason", "ended")
        .origin(ground, Some(&key), origin);
    let work = async move |tx: &mut crate::db::Tx| {
        if store::end(tx, id, owner, now).await? {
            let revoked = token_store::revoke_of_sessions(tx, store::many([id])?, now).await?;
            let tokens: Vec<_> = revoked.iter().map(|token| token.id.to_string()).collect();
            audit::record(tx, &event.clone().detail("tokens", tokens)).await?;
        }
        Ok::<_, Problem>(store::find_in(tx, id, owner).await?)
    };
    let found = ground.db.write(work).await?.ok_or(Code::NotFound)?;
    // Whoever is in its channel has nothing to be there for.
    app.presence.shut(&channel::of(id));
    Ok(view::open(&found, &key, now)?)
}
