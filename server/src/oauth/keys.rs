//! The keys that sign tokens are replaced, on record.

use crate::audit::{self, Actor, Target};
use crate::db::DbError;
use crate::ground::Ground;
use crate::secret::SealError;
use crate::time::Timestamp;

/// Publishes a new signing key and retires the one before it; every instance signs with it once all verifiers
/// had time to fetch it. Returns its kid.
///
/// # Errors
/// The store does not answer, or another instance rotated at the same microsecond.
pub async fn rotate(ground: &Ground, actor: Actor, now: Timestamp) -> Result<String, SealError> {
    let (signer, next) = (ground.signer.clone(), ground.signer.next_key()?);
    let kid = next.kid().to_owned();
    let event = audit::Event::new(ground, audit::SIGNING_KEY_ROTATED, now)
        .actor(actor)
        .target(Target::none("signing_key"))
        .detail("kid", kid.clone());
    ground
        .db
        .write(async move |tx| {
            signer.publish(tx, &next).await?;
            audit::record(tx, &event).await?;
            Ok::<_, DbError>(())
        })
        .await?;
    ground.signer.reload().await?;
    Ok(kid)
}
