//! Tickets: a secret that opens one connection within half a minute, for clients that cannot send a header.
//!
//! A ticket is a one-time code like a reset link: stored as a keyed hash, used up by a conditional UPDATE, so of many instances and
//! many callers exactly one wins, with or without Redis.

use uuid::Uuid;

use super::connection::Holder;
use crate::codes::{self, NewCode, Purpose};
use crate::db::DbError;
use crate::ground::Ground;
use crate::time::Timestamp;

/// The longest ticket that is looked at, in bytes; ours have 43.
const TICKET_MAX: usize = 64;

/// A ticket and when it ends.
pub(super) struct Ticket {
    pub secret: String,
    pub expires_at: Timestamp,
}

/// A new ticket of `holder`.
///
/// # Errors
/// The store does not answer.
pub(super) async fn issue(ground: &Ground, holder: Holder, now: Timestamp) -> Result<Ticket, DbError> {
    let expires_at = now.plus(ground.settings.presence.ticket_ttl).min(holder.expires_at);
    // Each is its own subject: a browser that opens ten tabs at once needs ten.
    let id = ground.random.uuid(now);
    let issued = NewCode::ticket(ground, id, Purpose::RealtimeTicket, &encode(holder), now, expires_at);
    ground.db.write(async move |tx| codes::issue(tx, &issued.code).await).await?;
    Ok(Ticket { secret: issued.secret, expires_at })
}

/// Uses a ticket up; `None` when it is none, was used or is over.
///
/// # Errors
/// The store does not answer.
pub(super) async fn redeem(ground: &Ground, secret: &str, now: Timestamp) -> Result<Option<Holder>, DbError> {
    if secret.len() > TICKET_MAX {
        return Ok(None);
    }
    // Looked at first: whoever guesses writes nothing, and keeps no writer from its work.
    if codes::link_owner(&ground.db, &ground.roots, Purpose::RealtimeTicket, secret, now).await?.is_none() {
        return Ok(None);
    }
    let (roots, secret) = (ground.roots.clone(), secret.to_owned());
    let work = async move |tx: &mut crate::db::Tx| codes::use_link(tx, &roots, Purpose::RealtimeTicket, &secret, now).await;
    let used = ground.db.write(work).await?;
    Ok(used.and_then(|used| decode(&used.payload?)).filter(|holder| holder.expires_at > now))
}

fn encode(holder: Holder) -> Vec<u8> {
    [holder.user.as_bytes().as_slice(), holder.session.as_bytes(), &holder.expires_at.as_micros().to_be_bytes()].concat()
}

fn decode(payload: &[u8]) -> Option<Holder> {
    let (user, rest) = payload.split_first_chunk::<16>()?;
    let (session, expires_at) = rest.split_first_chunk::<16>()?;
    let expires_at = Timestamp::from_micros(i64::from_be_bytes(expires_at.try_into().ok()?));
    Some(Holder { user: Uuid::from_bytes(*user), session: Uuid::from_bytes(*session), expires_at })
}
