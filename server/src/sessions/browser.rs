//! Who sits in front of the browser, as its cookie says: read, not rotated.

use http::HeaderMap;

use super::Sessions;
use super::answer::cookie_token;
use super::store::{self, Session};
use super::token::RefreshToken;
use crate::db::DbError;
use crate::time::Timestamp;

impl Sessions {
    /// The open first-party session of the request's cookie. A token that was superseded a moment ago still says whose
    /// browser it is; one that is older says nothing, and ends nothing, because nothing is given for it.
    ///
    /// The caller must not change anything for it without a cross-site check.
    pub async fn of_browser(&self, headers: &HeaderMap, now: Timestamp) -> Result<Option<Session>, DbError> {
        let Some(token) = cookie_token(headers, &self.ground.settings) else { return Ok(None) };
        let Some(token) = RefreshToken::open(&self.ground.roots, &token) else { return Ok(None) };
        let found = store::find(&self.ground.db, token.session).await?;
        let current = |session: &Session| session.salt == token.salt && session.generation - token.generation <= 1;
        Ok(found.filter(|session| current(session) && session.is_own() && session.is_open(now)))
    }
}
