//! `keystead users set-roles|revoke-sessions|panic|erase`.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::{Target, named};
use crate::accounts::{By, LifecycleError, Status, UserBody};
use crate::admin;
use crate::app::App;
use crate::audit::Actor;
use crate::cli::output::moment;
use crate::cli::{Failure, Output};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::time::Timestamp;

/// Give an account other roles
///
/// In force on every running server within a second. The last active administrator stays one.
#[derive(Clone, Debug, Args)]
pub struct SetRoles {
    /// Id or e-mail address
    pub user: String,
    /// All of them, separated by commas: what is left out is taken away
    #[arg(value_name = "ROLES", value_delimiter = ',', required = true)]
    pub roles: Vec<String>,
    /// Stands in the audit trail, sealed
    #[arg(long)]
    pub reason: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Lock somebody out of everything at once
///
/// The account is suspended, its sessions end, its tokens, links and its password are void. The person is told by mail.
#[derive(Clone, Debug, Args)]
pub struct Panic {
    /// Id or e-mail address
    pub user: String,
    /// Why; stands in the audit trail, sealed
    #[arg(long)]
    pub reason: String,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Erase a person for good
///
/// Their key is destroyed, so that every copy of what it sealed becomes unreadable, in backups and in the audit trail too.
#[derive(Clone, Debug, Args)]
pub struct Erase {
    /// Id or e-mail address
    pub user: String,
    /// Why; stands in the audit trail, sealed
    #[arg(long)]
    pub reason: String,
    /// In so many seconds, until which the account is deleted and can be restored; at once when left out
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=admin::DELAY_MAX))]
    pub delay: u64,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// `--json`: the account afterwards.
#[derive(Serialize)]
struct Changed {
    user: UserBody,
}

/// `users revoke-sessions --json`.
#[derive(Serialize)]
struct Revoked {
    revoked: usize,
}

/// `users erase --json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Erased {
    erases_at: Timestamp,
}

/// An operator and the reason, which is sealed: people write names into reasons.
fn by(reason: Option<String>) -> Result<By, Failure> {
    let reason = reason.map(admin::checked_reason).transpose()?;
    Ok(By { origin: reason.as_ref().map(|_| Origin::default()), reason, ..By::of(Actor::Operator) })
}

async fn tell(app: &App, id: Uuid, json: bool, output: Output, words: impl FnOnce(&UserBody) -> String) -> Result<(), Failure> {
    let user = named(app, &id.to_string()).await?.view.body();
    if json {
        output.json(&Changed { user });
    } else {
        output.line(words(&user));
    }
    Ok(())
}

impl SetRoles {
    pub(super) async fn act(self, app: &App, output: Output) -> Result<(), Failure> {
        let refused = |fault| Failure::from(Problem { errors: vec![fault], ..Problem::new(Code::ValidationFailed) });
        let roles = app.roles.check(&self.roles).map_err(refused)?;
        let (id, by) = (named(app, &self.user).await?.row.id, by(self.reason)?);
        app.lifecycle.set_roles(id, roles, None, by, app.ground.clock.now()).await?;
        tell(app, id, self.json, output, |user| format!("{} has the roles {} now.", user.email, user.roles.join(", "))).await
    }
}

impl Target {
    pub(super) async fn revoke_sessions(&self, app: &App, output: Output) -> Result<(), Failure> {
        let found = named(app, &self.user).await?;
        let revoked = admin::end_sessions(app, found.row.id, &By::of(Actor::Operator), app.ground.clock.now()).await?;
        if self.json {
            output.json(&Revoked { revoked });
        } else {
            output.line(format!("Ended {revoked} sessions of {}.", found.view.email));
        }
        Ok(())
    }
}

impl Panic {
    pub(super) async fn act(self, app: &App, output: Output) -> Result<(), Failure> {
        let (found, by) = (named(app, &self.user).await?, by(Some(self.reason))?);
        let id = found.row.id;
        app.lifecycle.lock_down(id, by, app.ground.clock.now()).await.map_err(|error| match error {
            LifecycleError::Conflict(Status::Deleted) => Failure::failed(
                format!("The account {} is deleted.", found.view.email),
                "Nobody can sign in with it; there is nothing to do.",
            ),
            error => Problem::from(error).into(),
        })?;
        let words = |user: &UserBody| format!("Locked {} out of everything; `keystead users activate` lets them in again.", user.email);
        tell(app, id, self.json, output, words).await
    }
}

impl Erase {
    pub(super) async fn act(self, app: &App, output: Output) -> Result<(), Failure> {
        let (found, by) = (named(app, &self.user).await?, by(Some(self.reason))?);
        let delay = Duration::from_secs(self.delay);
        let erases_at = app.lifecycle.erase_in(found.row.id, delay, by, app.ground.clock.now()).await.map_err(Problem::from)?;
        let email = &found.view.email;
        match (self.json, delay.is_zero()) {
            (true, _) => output.json(&Erased { erases_at }),
            (false, true) => output.line(format!("Erased {email}. What was theirs cannot be read any more.")),
            (false, false) => {
                output.line(format!("Deleted {email}. It is erased at {}, and can be restored until then.", moment(erases_at)))
            }
        }
        Ok(())
    }
}
