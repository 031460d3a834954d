//! `keystead users unlock|suspend|activate|delete|restore`: what an operator does to one account.

use serde::Serialize;

use super::{Target, named};
use crate::accounts::{By, LifecycleError, PersonView, Status, UserBody};
use crate::app::App;
use crate::audit::Actor;
use crate::cli::output::moment;
use crate::cli::{Failure, Output};
use crate::error::Problem;
use crate::passwords;
use crate::time::Timestamp;

/// The acts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Unlock,
    Suspend,
    Activate,
    Delete,
    Restore,
}

/// `--json` of every act: the account afterwards.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    user: UserBody,
    /// Whether there were failed sign-ins to forget.
    #[serde(skip_serializing_if = "Option::is_none")]
    unlocked: Option<bool>,
    /// When the deletion becomes final.
    #[serde(skip_serializing_if = "Option::is_none")]
    erases_at: Option<Timestamp>,
}

impl Target {
    pub(super) async fn act(&self, act: Act, app: &App, output: Output) -> Result<(), Failure> {
        let before = named(app, &self.user).await?.view;
        let (id, now) = (before.body().id, app.ground.clock.now());
        let by = By::of(Actor::Operator);
        let (mut unlocked, mut erases_at) = (None, None);
        let done = match act {
            Act::Unlock => {
                unlocked = Some(passwords::unlock(&app.ground, id, by, now).await.map_err(Problem::from)?);
                Ok(())
            }
            Act::Suspend => app.lifecycle.suspend(id, by, now).await,
            Act::Activate => app.lifecycle.activate(id, by, now).await,
            Act::Delete => app.lifecycle.delete(id, by, now).await.map(|at| erases_at = Some(at)),
            Act::Restore => app.lifecycle.restore(id, by, now).await,
        };
        done.map_err(|error| refused(error, act, &before))?;
        let user = named(app, &id.to_string()).await?.view.body();
        let done = Done { user, unlocked, erases_at };
        if self.json {
            output.json(&done);
        } else {
            output.line(sentence(act, &done));
        }
        Ok(())
    }
}

fn refused(error: LifecycleError, act: Act, before: &PersonView) -> Failure {
    let LifecycleError::Conflict(status) = error else { return Problem::from(error).into() };
    let (account, is, done) = (&before.email, status.as_str(), act.participle());
    if is == done {
        return Failure::failed(format!("The account {account} is {is} already."), "There is nothing to do.");
    }
    let mend = match status {
        Status::Deleted => "Restore it first with `keystead users restore`.",
        _ if matches!(act, Act::Restore) => "Only deleted accounts are restored; `keystead users activate` ends a suspension.",
        _ => "Look at it with `keystead users show`.",
    };
    Failure::failed(format!("The account {account} is {is}, so it cannot be {done}."), mend)
}

fn sentence(act: Act, done: &Done) -> String {
    let Done { user, unlocked, erases_at } = done;
    match (act, erases_at) {
        (Act::Unlock, _) if *unlocked == Some(false) => format!("{} was not locked; there are no failed sign-ins on record.", user.email),
        (Act::Unlock, _) => format!("Unlocked {}: its failed sign-ins are forgotten.", user.email),
        (Act::Suspend, _) => format!("Suspended {}. It is signed out everywhere within a second.", user.email),
        (Act::Activate, _) => format!("Activated {}.", user.email),
        (Act::Delete, Some(at)) => format!("Deleted {}. It can be restored until {}.", user.email, moment(*at)),
        (Act::Delete, None) => format!("Deleted {}.", user.email),
        (Act::Restore, _) => format!("Restored {}; it is {}.", user.email, user.status.as_str()),
    }
}

impl Act {
    const fn participle(self) -> &'static str {
        match self {
            Self::Unlock => "unlocked",
            Self::Suspend => "suspended",
            Self::Activate => "active",
            Self::Delete => "deleted",
            Self::Restore => "restored",
        }
    }
}
