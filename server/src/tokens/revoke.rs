//! A token is revoked, on record: by its person, by whoever looks after accounts, by whoever holds it.

use uuid::Uuid;

use crate::app::App;
use crate::audit::{self, Event, Target};
use crate::db::Tx;
use crate::error::Problem;
use crate::time::Timestamp;

/// The event of a revocation, to be completed.
pub fn revocation(app: &App, token: Uuid, now: Timestamp) -> Event {
    Event::new(&app.ground, audit::PERSONAL_TOKEN_REVOKED, now).target(Target::token(token))
}

/// Revokes a token of `user` and records `event`; false when there is none, or it was revoked before.
///
/// # Errors
/// The store does not answer.
pub async fn revoke(app: &App, token: Uuid, user: Uuid, event: Event, now: Timestamp) -> Result<bool, Problem> {
    let tokens = app.tokens.clone();
    let work = async move |tx: &mut Tx| {
        let done = tokens.revoke(tx, token, user, now).await?;
        if done {
            audit::record(tx, &event).await?;
        }
        Ok::<_, Problem>(done)
    };
    app.ground.db.write(work).await
}
