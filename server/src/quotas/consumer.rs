//! Who may consume whose quota.
//!
//! A person consumes their own: signed in by themselves, or by what acts for them and has `quotas:use`. Whoever holds `quotas:write`,
//! which is mostly a service of the application, may name somebody else as `subject`, and nobody may without it: a service that takes
//! the subject out of a request of its own user must have checked that it is theirs. Whoever acts as somebody else (impersonation)
//! looks at quotas and does not use them up.

use axum::extract::FromRequestParts;
use http::request::Parts;
use uuid::Uuid;

use crate::access::scope::{QuotasUse, QuotasWrite};
use crate::accounts::Status;
use crate::app::App;
use crate::error::{Code, Problem};
use crate::http::guard::{Bearer, Scope, Subject, lacks};

/// The guard of what consumes.
#[derive(Debug)]
pub(super) struct Consumer(Bearer);

impl std::ops::Deref for Consumer {
    type Target = Bearer;

    fn deref(&self) -> &Bearer {
        &self.0
    }
}

impl FromRequestParts<App> for Consumer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let bearer = Bearer::from_request_parts(parts, app).await?;
        if bearer.impersonator.is_some() {
            let detail = "Whoever acts as somebody else does not use up their quotas.";
            return Err(bearer.refused(Problem::new(Code::InsufficientScope).detail(detail)));
        }
        match bearer.subject {
            Subject::Service(_) => holds::<QuotasWrite>(app, &bearer).await?,
            Subject::Person { .. } | Subject::Token { .. } if bearer.own => {}
            Subject::Person { .. } | Subject::Token { .. } => holds::<QuotasUse>(app, &bearer).await?,
        }
        Ok(Self(bearer))
    }
}

impl Consumer {
    /// Whose quota it is: the caller's own, or that of the `subject` they name.
    ///
    /// # Errors
    /// `insufficient_scope` to name one; `not_found` when there is nobody of this id, `conflict` when their account is not active;
    /// `validation_failed` when it has to be named and is not.
    pub async fn of(&self, app: &App, subject: Option<Uuid>) -> Result<Uuid, Problem> {
        let Some(subject) = subject else { return self.subject.person().ok_or_else(unnamed) };
        holds::<QuotasWrite>(app, &self.0).await?;
        let person = app.people.view(subject).await?.ok_or_else(nobody)?;
        match person.status {
            Status::Active => Ok(subject),
            status => Err(Problem::new(Code::Conflict).detail(format!("The account is {}; it consumes nothing.", status.as_str()))),
        }
    }

    /// Whether they may go on with what they began for `user`.
    ///
    /// # Errors
    /// `insufficient_scope` when it is somebody else's, and they may not consume for others any more.
    pub async fn still_for(&self, app: &App, user: Uuid) -> Result<(), Problem> {
        if self.subject.person() == Some(user) { Ok(()) } else { holds::<QuotasWrite>(app, &self.0).await }
    }
}

async fn holds<S: Scope>(app: &App, bearer: &Bearer) -> Result<(), Problem> {
    let granted = app.grants(bearer, S::NAME).await.map_err(|problem| bearer.refused(problem))?;
    if granted { Ok(()) } else { Err(lacks::<S>(bearer)) }
}

fn nobody() -> Problem {
    Problem::new(Code::NotFound).detail("There is nobody of this id.")
}

fn unnamed() -> Problem {
    Problem::new(Code::ValidationFailed).field("subject", "required", "A client has no quota of its own. Name the person.")
}
