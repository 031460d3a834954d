//! Whether a listener may still listen.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::pump::every;
use super::{Closing, Transcripts, lock};
use crate::access::scope::TranscriptsRead;
use crate::app::App;
use crate::error::Code;
use crate::http::guard::{Scope, Subject, Verified};
use crate::time::Timestamp;
use crate::transcripts::ticket::Visitor;

/// An ended sign-in is pushed or found by its poll within half a second; with this its streams end within one.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What may have to be read is looked at every so many times.
const DEEPER_EVERY: u32 = 4;

/// By what somebody listens.
#[derive(Clone, Debug)]
pub(in crate::transcripts) enum Right {
    /// An access token.
    Token(Arc<Verified>),
    /// A ticket.
    Ticket(Visitor),
}

/// Looks at all listeners again and again, until `stop`.
pub(super) async fn watch(app: App, stop: CancellationToken) {
    let mut tick = every(LOOK_EVERY);
    let mut round: u32 = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        round = round.wrapping_add(1);
        look(&app, &app.transcripts, round.is_multiple_of(DEEPER_EVERY)).await;
    }
}

async fn look(app: &App, live: &Transcripts, deeper: bool) {
    let now = app.ground.clock.now();
    let rights: Vec<(u64, Right)> = lock(&live.0.open).listeners.iter().map(|(id, entry)| (*id, entry.right.clone())).collect();
    for (listener, right) in rights {
        let mut over = right.over(app, now);
        if over.is_none() && deeper {
            // Rare, and large: the futures of the others stay small.
            over = Box::pin(right.withdrawn(app, now)).await;
        }
        if let Some(closing) = over {
            live.close(listener, closing);
        }
    }
}

impl Right {
    /// Why it is over, as far as memory tells.
    fn over(&self, app: &App, now: Timestamp) -> Option<Closing> {
        let (until, still) = match self {
            Self::Ticket(visitor) => (visitor.until, app.sessions.revocations().check(visitor.sign_in)),
            Self::Token(token) => (
                token.expires_at,
                match token.subject {
                    Subject::Person { session, .. } => app.sessions.revocations().check(session),
                    Subject::Token { token, .. } => app.tokens.check(token),
                    // Services do not listen.
                    Subject::Service(_) => Err(Code::SessionRevoked.into()),
                },
            ),
        };
        match still {
            Err(problem) if problem.code == Code::Unavailable => Some(Closing::Unavailable),
            Err(_) => Some(Closing::Revoked),
            Ok(()) => (until <= now).then_some(Closing::Expired),
        }
    }

    /// Whether what acts for a person may do so still: an application, a program, an administrator. Where it cannot be told at the
    /// moment, the next look tells.
    async fn withdrawn(&self, app: &App, now: Timestamp) -> Option<Closing> {
        let Self::Token(token) = self else { return None };
        if token.own {
            return None;
        }
        let refused = app.check_still(token, now).await.is_err_and(|problem| problem.code.status() == 401);
        (refused || matches!(app.grants(token, TranscriptsRead::NAME).await, Ok(false))).then_some(Closing::Revoked)
    }
}
