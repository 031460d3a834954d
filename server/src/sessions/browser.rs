//! Who sits in front of the browser, as its cookie says: read, not rotated.

use http::HeaderMap;

use super::Sessions;
use super::answer::cookie_token;
use super::store::{self, Session};
use super::token::RefreshToken;
use crate::db::DbError;
use crate::time::Timestamp;

impl Sessions {
    /// The open first-party session of the request's cookie. A token that was superseded within the reuse window still says
    /// whose browser it is, as it does at a refresh; one that is older says nothing.
    ///
    /// The caller must not change anything for it without a cross-site check.
    pub async fn of_browser(&self, headers: &HeaderMap, now: Timestamp) -> Result<Option<Session>, DbError> {
        let Some(token) = cookie_token(headers, &self.ground.settings) else { return Ok(None) };
        let Some(token) = RefreshToken::open(&self.ground.roots, &token) else { return Ok(None) };
        let found = store::find(&self.ground.db, token.session).await?;
        let reuse = self.ground.settings.tokens.reuse_window;
        let current = |session: &Session| {
            let superseded = session.generation - token.generation;
            session.salt == token.salt && (superseded == 0 || (superseded == 1 && now <= session.rotated_at.plus(reuse)))
        };
        Ok(found.filter(|session| current(session) && session.is_own() && session.is_open(now)))
    }
}
