//! `keystead users`: accounts, from the machine that holds the database. The first administrator is made here.

mod act;
mod change;
mod create;
mod export;
mod import;
mod list;
mod show;

use clap::{ArgGroup, Args, Subcommand};

use self::act::Act;
use super::installation::{self, within, within_new};
use super::{Failure, Output, block_on, password, settings};
use crate::accounts::directory::{self, Entry, Who};
use crate::app::App;
use crate::error::Problem;
use crate::secret::Random;

/// Create and manage accounts
#[derive(Clone, Debug, Subcommand)]
pub enum Users {
    /// Create an account
    Create(Create),
    /// Import accounts from another system, with their password hashes
    Import(Import),
    /// Write every account, with the password hashes, as an import reads them
    Export(ExportTo),
    /// List accounts, newest first
    List(List),
    /// Show one account
    Show(Show),
    /// Lift the lock that failed sign-ins put on an account
    Unlock(Target),
    /// Suspend an account: it is signed out everywhere and cannot sign in
    Suspend(Target),
    /// Let a suspended or pending account sign in (again)
    Activate(Target),
    /// Delete an account; it can be restored within the grace period
    Delete(Target),
    /// Restore a deleted account within its grace period
    Restore(Target),
    /// Erase a person for good, at once or later; nobody can bring them back
    Erase(change::Erase),
    /// Give an account other roles
    SetRoles(change::SetRoles),
    /// End all sessions of an account
    RevokeSessions(Target),
    /// Lock somebody out of everything at once, because somebody else may have got into the account
    Panic(change::Panic),
}

/// Create an account
///
/// The password is read from standard input when that is not a terminal; at a terminal one is generated and shown once.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("secret").args(["password_stdin", "password_hash"])))]
pub struct Create {
    /// E-mail address
    #[arg(long)]
    pub email: String,
    /// Full name
    #[arg(long)]
    pub name: String,
    /// Job role in the profile, free text
    #[arg(long)]
    pub role: Option<String>,
    /// Read the password from the first line of standard input, and fail when there is none
    #[arg(long)]
    pub password_stdin: bool,
    /// Take over a password hash of another system (PHC string, bcrypt, Django, phpass, SSHA, Firebase)
    #[arg(long, value_name = "HASH")]
    pub password_hash: Option<String>,
    /// The address is known to be theirs: no verification mail
    #[arg(long)]
    pub verified: bool,
    /// What the account may do: user, auditor, admin, or a role of your own (`keystead roles list`)
    #[arg(long, value_name = "ROLES", value_delimiter = ',', default_value = "user")]
    pub roles: Vec<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Import accounts from another system
///
/// One JSON object a line: email, name, and optionally role, emailVerified, roles, createdAt, passwordHash. Wrong lines are
/// named and harm no other. An address that has an account is skipped, so a file can be imported again.
#[derive(Clone, Debug, Args)]
pub struct Import {
    /// The file; - for standard input
    pub file: std::path::PathBuf,
    /// Check every line and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Write every account that is not deleted, newest first
///
/// One JSON object a line, as `keystead users import` reads them. A file that is written is readable by its owner alone.
#[derive(Clone, Debug, Args)]
pub struct ExportTo {
    /// Where to; standard output when nothing is said
    #[arg(long, value_name = "FILE")]
    pub output: Option<std::path::PathBuf>,
    /// Leave the password hashes out; people then ask for a reset link
    #[arg(long)]
    pub no_passwords: bool,
}

/// List accounts
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Only this address, or names that contain this
    #[arg(long)]
    pub query: Option<String>,
    /// Only accounts in this state
    #[arg(long, value_parser = ["pending", "active", "suspended", "deleted"])]
    pub status: Option<String>,
    /// List deleted accounts too
    #[arg(long)]
    pub include_deleted: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Go on where a listing ended (its nextCursor)
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<uuid::Uuid>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Show one account
#[derive(Clone, Debug, Args)]
pub struct Show {
    /// Id or e-mail address
    pub user: String,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// One account to act on
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Id or e-mail address
    pub user: String,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Users {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let output = *output;
        let settings = match &self {
            // The first account may come before the first start.
            Self::Create(_) => settings()?,
            _ => installation::settings()?,
        };
        match self {
            Self::Create(create) => {
                // The password is read before the runtime starts: standard input blocks.
                let password = password::choose(&create, &mut password::Terminal::process(), || Random::system().bytes())?;
                block_on(1, within_new(settings, async |app: &App| create.act(app, password, output).await))
            }
            Self::Import(import) => block_on(1, within(settings, async |app: &App| import.act(app, output).await)),
            Self::Export(export) => block_on(1, within(settings, async |app: &App| export.act(app).await)),
            Self::List(list) => block_on(1, within(settings, async |app: &App| list.act(app, output).await)),
            Self::Show(show) => block_on(1, within(settings, async |app: &App| show.act(app, output).await)),
            Self::Unlock(target) => block_on(1, within(settings, async |app: &App| target.act(Act::Unlock, app, output).await)),
            Self::Suspend(target) => block_on(1, within(settings, async |app: &App| target.act(Act::Suspend, app, output).await)),
            Self::Activate(target) => block_on(1, within(settings, async |app: &App| target.act(Act::Activate, app, output).await)),
            Self::Delete(target) => block_on(1, within(settings, async |app: &App| target.act(Act::Delete, app, output).await)),
            Self::Erase(erase) => block_on(1, within(settings, async |app: &App| erase.act(app, output).await)),
            Self::SetRoles(set) => block_on(1, within(settings, async |app: &App| set.act(app, output).await)),
            Self::RevokeSessions(target) => block_on(1, within(settings, async |app: &App| target.revoke_sessions(app, output).await)),
            Self::Panic(panic) => block_on(1, within(settings, async |app: &App| panic.act(app, output).await)),
            Self::Restore(target) => block_on(1, within(settings, async |app: &App| target.act(Act::Restore, app, output).await)),
        }
    }
}

/// The account that somebody named by id or address.
async fn named(app: &App, user: &str) -> Result<Entry, Failure> {
    let who = Who::parse(user)
        .map_err(|_| Failure::usage(format!("`{user}` is neither an id nor an e-mail address."), "See `keystead users list`."))?;
    let found = directory::find(&app.ground, &who).await.map_err(Problem::from)?;
    found.ok_or_else(|| Failure::failed(format!("There is no account `{user}`."), "See `keystead users list --include-deleted`."))
}
