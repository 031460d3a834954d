//! How a browser's `EventSource`, which sends no `Authorization` header, opens a stream and comes again.
//!
//! A ticket stands in the address, so it works once, for half a minute, for one transcript: whoever finds the address later finds
//! nothing. But an `EventSource` that lost its connection asks for the same address again. So the stream itself hands it what it comes
//! again with: the `id` of every event carries, behind the position, a pass that was never part of an address. It opens this
//! transcript alone, for a day at most, and only while the sign-in goes on in which the ticket was made.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::app::App;
use crate::codes::{self, NewCode, Purpose};
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::secret::Purpose as KeyPurpose;
use crate::sessions;
use crate::time::Timestamp;

/// Between its making and its use a page opens a connection.
const TICKET_LIFE: Duration = Duration::from_secs(30);
/// No voice session has later segments.
const PASS_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest ticket that is looked at, in bytes; ours have 43.
const TICKET_MAX: usize = 64;
/// The longest pass that is looked at, in bytes; ours have 96.
const PASS_MAX: usize = 256;

/// A person who listens without an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    /// The person.
    pub user: Uuid,
    /// The sign-in in which they asked for the ticket.
    pub sign_in: Uuid,
    /// When they need another ticket.
    pub until: Timestamp,
}

/// A ticket and when it ends.
pub(super) struct Ticket {
    pub secret: String,
    pub expires_at: Timestamp,
}

/// A new ticket with which `user` opens the transcript of `voice` once.
///
/// # Errors
/// The store does not answer.
pub(super) async fn issue(ground: &Ground, voice: Uuid, user: Uuid, sign_in: Uuid, now: Timestamp) -> Result<Ticket, DbError> {
    let expires_at = now.plus(TICKET_LIFE);
    let payload = [voice.as_bytes().as_slice(), user.as_bytes(), sign_in.as_bytes()].concat();
    let issued = NewCode::ticket(ground, ground.random.uuid(now), Purpose::TranscriptTicket, &payload, now, expires_at);
    ground.db.write(async move |tx| codes::issue(tx, &issued.code).await).await?;
    Ok(Ticket { secret: issued.secret, expires_at })
}

/// Uses a ticket for the transcript of `voice` up.
///
/// # Errors
/// `unauthenticated` when it is none, was used, is over or is for another transcript; `session_revoked`.
pub(super) async fn redeem(app: &App, voice: Uuid, secret: &str, now: Timestamp) -> Result<Visitor, Problem> {
    let ground = &app.ground;
    if secret.len() > TICKET_MAX {
        return Err(no_ticket());
    }
    // Looked at first: whoever guesses writes nothing, and keeps no writer from its work.
    if codes::link_owner(&ground.db, &ground.roots, Purpose::TranscriptTicket, secret, now).await?.is_none() {
        return Err(no_ticket());
    }
    let (roots, secret) = (ground.roots.clone(), secret.to_owned());
    let work = async move |tx: &mut Tx| codes::use_link(tx, &roots, Purpose::TranscriptTicket, &secret, now).await;
    let used = ground.db.write(work).await?;
    let payload = used.and_then(|used| used.payload).ok_or_else(no_ticket)?;
    let [of, user, sign_in] = ids(&payload).ok_or_else(no_ticket)?;
    if of != voice {
        return Err(no_ticket());
    }
    let visitor = Visitor { user, sign_in, until: now.plus(PASS_LIFE) };
    visitor.check(app, now).await
}

/// What `visitor` of the transcript of `voice` comes again with.
pub(super) fn pass(ground: &Ground, voice: Uuid, visitor: Visitor) -> String {
    let Visitor { user, sign_in, until } = visitor;
    let plain = [user.as_bytes().as_slice(), sign_in.as_bytes(), &until.as_micros().to_be_bytes()].concat();
    BASE64_URL_SAFE_NO_PAD.encode(ground.roots.seal(KeyPurpose::System, &place(voice), &plain))
}

/// Whoever comes to the transcript of `voice` again with `pass`.
///
/// # Errors
/// `unauthenticated` when it is none, or not for this transcript; `token_expired`; `session_revoked`.
pub(super) async fn readmit(app: &App, voice: Uuid, pass: &str, now: Timestamp) -> Result<Visitor, Problem> {
    let open = || {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(pass).ok().filter(|_| pass.len() <= PASS_MAX)?;
        let plain = app.ground.roots.open(KeyPurpose::System, &place(voice), &sealed).ok()?;
        let (ids_of, until) = plain.split_at_checked(32)?;
        let [user, sign_in] = ids(ids_of)?;
        Some(Visitor { user, sign_in, until: Timestamp::from_micros(i64::from_be_bytes(until.try_into().ok()?)) })
    };
    let visitor =
        open().ok_or_else(|| Problem::new(Code::Unauthenticated).detail("This `Last-Event-ID` opens nothing. Ask for a ticket."))?;
    if visitor.until <= now {
        return Err(Problem::new(Code::TokenExpired).detail("You have listened for a day. Ask for another ticket."));
    }
    visitor.check(app, now).await
}

impl Visitor {
    /// Still signed in? The store knows; what is ended while the stream is open is noticed from memory.
    async fn check(self, app: &App, now: Timestamp) -> Result<Self, Problem> {
        let found = sessions::store::find(&app.ground.db, self.sign_in).await?;
        let goes_on = found.filter(|found| found.ended_at.is_none() && found.idle_expires_at > now && found.expires_at > now);
        let found = goes_on.ok_or(Code::SessionRevoked)?;
        Ok(Self { until: self.until.min(found.expires_at), ..self })
    }
}

fn place(voice: Uuid) -> Vec<u8> {
    [b"transcript.pass".as_slice(), voice.as_bytes()].concat()
}

fn ids<const N: usize>(bytes: &[u8]) -> Option<[Uuid; N]> {
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return None;
    }
    let ids: [[u8; 16]; N] = ids.try_into().ok()?;
    Some(ids.map(Uuid::from_bytes))
}

fn no_ticket() -> Problem {
    Problem::new(Code::Unauthenticated).detail("This ticket is none, was used or has expired. Ask for another one.")
}
