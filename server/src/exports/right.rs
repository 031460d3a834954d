//! Whether what was asked for may still be had: an answer that takes minutes asks again on its way, as if each part of it were a request
//! of its own.

use std::sync::Arc;

use super::order::may;
use super::source::Needs;
use crate::access::scope::ExportsWrite;
use crate::app::App;
use crate::error::{Code, Problem};
use crate::http::guard::{Scope, Subject, Verified, lacks};

/// By what somebody gets something.
#[derive(Clone)]
pub(super) struct Right {
    app: App,
    token: Arc<Verified>,
    needs: Option<Needs>,
}

impl Right {
    /// The right of the holder of `token`, for what `needs` this besides.
    pub const fn new(app: App, token: Arc<Verified>, needs: Option<Needs>) -> Self {
        Self { app, token, needs }
    }

    /// Whether it holds now. Asked from memory, which follows what other instances do within half a second.
    ///
    /// # Errors
    /// `token_expired`, `session_revoked` and the like, `insufficient_scope`; `unavailable` when this instance cannot know.
    pub async fn still(&self) -> Result<(), Problem> {
        let (app, token, now) = (&self.app, &self.token, self.app.ground.clock.now());
        if token.expires_at <= now {
            return Err(Code::TokenExpired.into());
        }
        match token.subject {
            Subject::Person { session, .. } => app.sessions.revocations().check(session)?,
            Subject::Token { token, .. } => app.tokens.check(token)?,
            // Services have nothing to export.
            Subject::Service(_) => return Err(Code::SessionRevoked.into()),
        }
        app.check_still(token, now).await?;
        if !token.own && !app.grants(token, ExportsWrite::NAME).await? {
            return Err(lacks::<ExportsWrite>(token));
        }
        match self.needs {
            Some(needs) => may(app, token, needs).await,
            None => Ok(()),
        }
    }
}
