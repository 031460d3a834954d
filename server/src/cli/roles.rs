//! `keystead roles`: which scopes roles grant, from the machine that holds the database. Running servers follow within a second.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::installation::{settings, within};
use super::{Failure, Output, block_on};
use crate::app::App;
use crate::audit;
use crate::error::Problem;
use crate::http::if_match::IfMatch;
use crate::roles::{self, Act, NewRole, RoleView};

/// See and change which scopes roles grant
#[derive(Clone, Debug, Subcommand)]
pub enum Roles {
    /// List every role
    List(List),
    /// Make a role, or put another one in its place
    Set(Set),
    /// Delete a role that nobody has
    Delete(Delete),
}

/// List every role
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Make a role, or put another one in its place
#[derive(Clone, Debug, Args)]
pub struct Set {
    /// The role's name
    pub name: String,
    /// What it grants, separated by commas; nothing when left out
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    pub scopes: Vec<String>,
    /// What it is for
    #[arg(long)]
    pub description: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Delete a role that nobody has
#[derive(Clone, Debug, Args)]
pub struct Delete {
    /// The role's name
    pub name: String,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// `--json` of a list, in the form of every list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    items: Vec<RoleView>,
    next_cursor: Option<String>,
}

/// `--json` of one role, as the API answers it.
#[derive(Serialize)]
struct One {
    role: RoleView,
}

impl Roles {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = settings()?;
        let output = *output;
        block_on(1, within(settings, async |app: &App| self.act(app, output).await))
    }

    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.act(app, output).await,
            Self::Set(set) => set.act(app, output).await,
            Self::Delete(named) => named.act(app, output).await,
        }
    }
}

impl List {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let items = roles::list(&app.roles, &app.ground.db).await.map_err(Problem::from)?;
        if self.json {
            output.json(&Listing { items, next_cursor: None });
            return Ok(());
        }
        output.table(&["ROLE", "VERSION", "SCOPES", "DESCRIPTION"], &items.iter().map(row).collect::<Vec<_>>());
        Ok(())
    }
}

fn row(role: &RoleView) -> Vec<String> {
    let version = if role.built_in { "built-in".to_owned() } else { role.version.to_string() };
    vec![role.name.clone(), version, role.scopes.join(" "), role.description.clone().unwrap_or_default()]
}

impl Set {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let new = NewRole { description: self.description.clone(), scopes: self.scopes.clone() };
        let act = Act::of_operator(app, audit::ROLE_CHANGED, app.ground.clock.now());
        let role = roles::put(app, &self.name, new, &IfMatch::default(), act).await?;
        if self.json {
            output.json(&One { role });
        } else {
            output.line(format!("{} (version {}) grants {}.", role.name, role.version, granted(&role)));
        }
        Ok(())
    }
}

fn granted(role: &RoleView) -> String {
    if role.scopes.is_empty() { "nothing".to_owned() } else { role.scopes.join(" ") }
}

impl Delete {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let act = Act::of_operator(app, audit::ROLE_DELETED, app.ground.clock.now());
        roles::delete(app, &self.name, &IfMatch::default(), act).await?;
        if self.json {
            output.json(&serde_json::json!({}));
        } else {
            output.line(format!("Deleted {}.", self.name));
        }
        Ok(())
    }
}
