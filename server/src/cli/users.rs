//! `keystead users`: accounts, from the machine that holds the database. The first administrator is made here.

use clap::{ArgGroup, Args, Subcommand};

use super::{Failure, Output, block_on, password, settings};
use crate::config::Settings;
use crate::secret::Random;

/// Create and manage accounts
#[derive(Clone, Debug, Subcommand)]
pub enum Users {
    /// Create an account
    Create(Create),
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
    /// Take over a password hash of another system (PHC string, bcrypt, Django, phpass, SSHA)
    #[arg(long, value_name = "HASH")]
    pub password_hash: Option<String>,
    /// The address is known to be theirs: no verification mail
    #[arg(long)]
    pub verified: bool,
    /// What the account may do: user, auditor, admin
    #[arg(long, value_name = "ROLES", value_delimiter = ',', default_value = "user")]
    pub roles: Vec<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// List accounts
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Only this address or name
    #[arg(long)]
    pub query: Option<String>,
    /// Only accounts in this state
    #[arg(long, value_parser = ["pending", "active", "suspended", "deleted"])]
    pub status: Option<String>,
    /// Deleted accounts too
    #[arg(long)]
    pub include_deleted: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
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
        let settings = settings()?;
        // The password is read before the runtime starts: standard input blocks.
        let password = match &self {
            Self::Create(create) => Some(password::choose(create, &mut password::Terminal::process(), || Random::system().bytes())?),
            _ => None,
        };
        block_on(1, run(self, password, settings, *output))
    }
}

// INTEGRATION POINT: open the stores and act. `password` is there for `Create` only; show `Password::Generated` once.
async fn run(_command: Users, _password: Option<password::Password>, _settings: Settings, _output: Output) -> Result<(), Failure> {
    Err(Failure::failed("`users` is not wired.", "Wire it in server/src/cli/users.rs."))
}
