//! What a presented token is, for introspection and revocation: an access token, a refresh token, or nothing that is good.

use std::sync::Arc;

use secrecy::SecretString;

use crate::app::App;
use crate::error::Problem;
use crate::http::guard::{Subject, Verified};
use crate::sessions::store::{self, Session};
use crate::sessions::token::RefreshToken;
use crate::time::Timestamp;
use crate::tokens;

/// A token that was found.
pub(super) enum Found {
    /// An access token that is good at this moment.
    Access(Arc<Verified>),
    /// A refresh token of a session that goes on; `current` while it is the one to be presented next.
    Refresh {
        /// Its session.
        session: Box<Session>,
        /// Not superseded.
        current: bool,
    },
}

impl Found {
    /// Whether `client` may give it back: what it was issued itself; and a personal access token that was issued to none and that it
    /// was shown, because whoever finds one should be able to put an end to it.
    pub(super) fn is_revocable_by(&self, client: &str) -> bool {
        let personal = matches!(self, Self::Access(verified) if matches!(verified.subject, Subject::Token { .. }));
        personal || self.client() == client
    }

    /// The client it was issued to; nobody for a personal access token.
    pub(super) fn client(&self) -> &str {
        match self {
            Self::Access(verified) => &verified.client,
            Self::Refresh { session, .. } => session.client(),
        }
    }
}

/// Looks `token` up; `None` for what is not good, for whatever reason. It does not count as use of the token. The client's
/// hint is not needed: no token of one kind looks like one of the other (RFC 7662 section 2.1).
///
/// # Errors
/// `unavailable` when this instance cannot know.
pub(super) async fn find(app: &App, token: &str, now: Timestamp) -> Result<Option<Found>, Problem> {
    if let Some(refresh) = RefreshToken::open(&app.ground.roots, &SecretString::from(token)) {
        let session = store::find(&app.ground.db, refresh.session).await?.filter(|found| found.salt == refresh.salt);
        let open = session.filter(|found| found.is_open(now));
        return Ok(open.map(|session| Found::Refresh { current: refresh.generation == session.generation, session: Box::new(session) }));
    }
    let checked = if tokens::is_personal(token) {
        app.tokens.inspect(token, now).await
    } else {
        match app.sessions.inspect(token, now) {
            Ok(verified) => app.check_still(&verified, now).await.map(|()| verified),
            Err(problem) => Err(problem),
        }
    };
    match checked {
        Ok(verified) => Ok(Some(Found::Access(verified))),
        Err(problem) if problem.code.status() == 401 => Ok(None),
        Err(problem) => Err(problem),
    }
}
