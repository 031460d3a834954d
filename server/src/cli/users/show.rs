//! `keystead users show`.

use serde::Serialize;

use super::{Show, named};
use crate::accounts::UserBody;
use crate::app::App;
use crate::cli::output::{moment, moment_or_never};
use crate::cli::{Failure, Output};
use crate::error::Problem;
use crate::passwords;
use crate::time::Timestamp;

/// `users show --json`: the `user` of the API, and what only operators ask for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    user: UserBody,
    /// Until when failed sign-ins have locked the address.
    locked_until: Option<Timestamp>,
    /// When the account was deleted.
    deleted_at: Option<Timestamp>,
    /// When the deletion becomes final.
    erases_at: Option<Timestamp>,
}

impl Show {
    pub(super) async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let entry = named(app, &self.user).await?;
        let ground = &app.ground;
        let address = ground.keyring.blind_index("email", &entry.view.email);
        let locked_until = passwords::locked_until(ground, address, ground.clock.now()).await.map_err(Problem::from)?;
        let (deleted_at, erases_at) = (entry.row.deleted_at, entry.row.erases_at);
        let shown = Shown { user: entry.view.body(), locked_until, deleted_at, erases_at };
        if self.json {
            output.json(&shown);
        } else {
            output.facts(&facts(&shown));
        }
        Ok(())
    }
}

fn facts(shown: &Shown) -> Vec<(&'static str, String)> {
    let user = &shown.user;
    let confirmed = if user.email_verified { "confirmed" } else { "not confirmed" };
    let mut facts = vec![
        ("Id", user.id.to_string()),
        ("E-mail", format!("{} ({confirmed})", user.email)),
        ("Name", user.name.clone()),
        ("Job role", user.role.clone().unwrap_or_else(|| "–".to_owned())),
        ("Status", user.status.as_str().to_owned()),
        ("Roles", user.roles.join(", ")),
        ("Created", moment(user.created_at)),
        ("Last active", moment_or_never(user.last_active_at)),
    ];
    let rarely = [("Locked until", shown.locked_until), ("Deleted", shown.deleted_at), ("Erased from", shown.erases_at)];
    facts.extend(rarely.into_iter().filter_map(|(name, at)| at.map(|at| (name, moment(at)))));
    facts
}
