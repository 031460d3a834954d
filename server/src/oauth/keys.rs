//! The keys that sign tokens are replaced, on record: by whoever asks, or by themselves when they are old.

use super::By;
use crate::audit::{self, Event, Target};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::secret::{KeyState, PublishedKey, Trigger};
use crate::time::Timestamp;

/// Publishes a new signing key and retires the one before it; every instance signs with it once all verifiers
/// had time to fetch it. Returns it.
///
/// One at a time: a key that does not sign yet is as new as any, and whoever could publish more of them could let the key set
/// grow until nobody can fetch it.
///
/// # Errors
/// `conflict` while the newest key does not sign yet; the store does not answer.
pub async fn rotate(ground: &Ground, by: By, now: Timestamp) -> Result<PublishedKey, Problem> {
    let event = audit::Event::new(ground, audit::SIGNING_KEY_ROTATED, now).actor(by.actor);
    let event = match &by.origin {
        Some(origin) => event.origin(ground, by.key.as_ref(), origin),
        None => event,
    };
    let published = publish(ground, event, Trigger::Wish).await?;
    let keys = ground.signer.published();
    match published {
        Some(kid) => {
            keys.into_iter().find(|key| key.kid == kid).ok_or_else(|| Problem::internal("the new key is not among the published ones"))
        }
        None => {
            let since = keys.iter().find(|key| key.state == KeyState::Next).map(|key| format!(", and signs from {}", key.signs_from));
            let detail = format!("A new key is published already{}.", since.unwrap_or_default());
            Err(Problem::new(Code::Conflict).detail(detail))
        }
    }
}

/// Does the same by itself when the newest key is as old as the configuration says; once, on however many instances this runs.
///
/// # Errors
/// The store does not answer.
pub async fn rotate_when_due(ground: &Ground, now: Timestamp) -> Result<(), Problem> {
    let Some(age) = ground.settings.keys.rotate_every else { return Ok(()) };
    // From memory: almost always nothing is to be done.
    let newest = ground.signer.published().into_iter().map(|key| key.created_at).max();
    if newest.is_some_and(|made| made.plus(age) > now) {
        return Ok(());
    }
    let event = audit::Event::new(ground, audit::SIGNING_KEY_ROTATED, now);
    if let Some(kid) = publish(ground, event, Trigger::Age(age)).await? {
        tracing::info!(kid, "the signing key is replaced, because of its age");
    }
    Ok(())
}

/// The kid of the new key; none when `trigger` asks for none.
async fn publish(ground: &Ground, event: Event, trigger: Trigger) -> Result<Option<String>, Problem> {
    let (signer, next) = (ground.signer.clone(), ground.signer.next_key()?);
    let kid = next.kid().to_owned();
    let event = event.target(Target::none("signing_key")).detail("kid", kid.clone());
    let published = ground
        .db
        .write(async move |tx| {
            let published = signer.publish_once(tx, &next, trigger).await?;
            if published {
                audit::record(tx, &event).await?;
            }
            Ok::<_, Problem>(published)
        })
        .await?;
    ground.signer.reload().await?;
    Ok(published.then_some(kid))
}
