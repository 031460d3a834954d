//! The command line: one file per command, each with its arguments and what it does.
//!
//! [`run`] parses, dispatches, and turns the outcome into an exit code: 0 good, 1 failed, 2 wrong usage or
//! configuration. Commands return a [`Failure`] that says what happened and how to mend it; `output` prints it as
//! `error: …` and `  → …` on standard error. What a command answers goes to standard output, and with `--json` it is
//! one JSON document. Commands load the settings themselves through [`settings`], so that `completions`, `openapi`
//! and `--version` work with a broken configuration; `login`, `whoami` and `logout` speak to a server and need none.

pub mod audit;
pub mod clients;
pub mod completions;
pub mod config;
pub mod flags;
mod installation;
pub mod jobs;
pub mod keys;
pub mod login;
pub mod logout;
pub mod migrate;
pub mod openapi;
mod output;
pub mod password;
pub mod remote;
pub mod roles;
pub mod serve;
pub mod stats;
pub mod users;
pub mod whoami;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Fault, Faults, Settings, Sources, release};
use crate::error::FieldError;
use crate::secret::Random;

pub use output::Output;

const AFTER_HELP: &str = "\
Without a command, keystead serves. Every setting is described in docs/configuration.md.

Exit codes: 0 good, 1 failed, 2 wrong usage or configuration.";

/// The production-ready home for an application's accounts, sessions and keys.
#[derive(Debug, Parser)]
#[command(name = "keystead", version = release::LONG, about, after_help = AFTER_HELP, propagate_version = false, max_term_width = 100)]
pub struct Cli {
    /// What to do; serve when nothing is said
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (the default)
    Serve(serve::Serve),
    /// Bring the database to this version's schema and exit
    Migrate(migrate::Migrate),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Config),
    /// Create and manage accounts
    #[command(subcommand)]
    Users(users::Users),
    /// Register and manage OAuth clients
    #[command(subcommand)]
    Clients(clients::Clients),
    /// List and rotate the keys that sign tokens
    #[command(subcommand)]
    Keys(keys::Keys),
    /// See and change feature flags
    #[command(subcommand)]
    Flags(flags::Flags),
    /// See and change which scopes roles grant
    #[command(subcommand)]
    Roles(roles::Roles),
    /// Check and export the audit trail
    #[command(subcommand)]
    Audit(audit::Audit),
    /// See the queue, and try again what failed for good
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    /// Show the installation in figures
    Stats(stats::Stats),
    /// Sign in at a server, this one or another
    Login(login::Login),
    /// Show who is signed in
    Whoami(whoami::Whoami),
    /// Sign out at a server
    Logout(logout::Logout),
    /// Print the OpenAPI document of the HTTP interface
    Openapi(openapi::Openapi),
    /// Print the AsyncAPI document of the realtime interface
    Asyncapi(openapi::Asyncapi),
    /// Print a completion script for your shell
    Completions(completions::Completions),
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// It was tried and did not work: exit code 1.
    Failed {
        /// What happened.
        what: String,
        /// What to do about it.
        mend: String,
    },
    /// The arguments are fine for the parser and still make no sense: exit code 2.
    Usage {
        /// What is wrong.
        what: String,
        /// What to write instead.
        mend: String,
    },
    /// Values are not acceptable, each with a sentence that says why: exit code 2.
    Refused(Vec<FieldError>),
    /// The settings are wrong: exit code 2.
    Configuration(Faults),
    /// All is said already; only the exit code is left.
    Silent(u8),
}

impl Failure {
    /// It was tried and did not work.
    pub fn failed(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), mend: mend.into() }
    }

    /// The arguments make no sense.
    pub fn usage(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), mend: mend.into() }
    }

    /// The exit code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Failed { .. } => 1,
            Self::Usage { .. } | Self::Refused(_) | Self::Configuration(_) => 2,
            Self::Silent(code) => *code,
        }
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Configuration(faults)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Configuration(Faults(vec![fault]))
    }
}

/// Runs the command line `args` (the program's name first) in this process.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let output = Output::process();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version arrive here too, with code 0. A closed pipe is nobody's fault.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(cli.command.unwrap_or(Command::Serve(serve::Serve {})), &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => serve.run(output),
        Command::Migrate(migrate) => migrate.run(output),
        Command::Config(config) => config.run(output),
        Command::Users(users) => users.run(output),
        Command::Clients(clients) => clients.run(output),
        Command::Keys(keys) => keys.run(output),
        Command::Audit(audit) => audit.run(output),
        Command::Flags(flags) => flags.run(output),
        Command::Roles(roles) => roles.run(output),
        Command::Jobs(jobs) => jobs.run(output),
        Command::Stats(stats) => stats.run(output),
        Command::Login(login) => login.run(output),
        Command::Whoami(whoami) => whoami.run(output),
        Command::Logout(logout) => logout.run(output),
        Command::Openapi(openapi) => openapi.run(output),
        Command::Asyncapi(asyncapi) => asyncapi.run(output),
        Command::Completions(completions) => completions.run(output),
    }
}

/// The settings of this process, with the data folder and the development key in place: for the commands that may make an
/// installation. Every other takes [`installation::settings`].
///
/// # Errors
/// Every fault of the configuration.
pub fn settings() -> Result<Settings, Failure> {
    let mut settings = Settings::load(&Sources::process())?;
    settings.ensure_data_dir(|| Random::system().bytes())?;
    Ok(settings)
}

/// Runs `work` on a runtime of `threads` threads (0 = one per core) until it is done.
///
/// # Errors
/// Those of `work`; or the system gives no threads.
pub fn block_on(threads: usize, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::failed(format!("The runtime cannot start: {error}."), "Check the limits of this user."))?;
    runtime.block_on(work)
}
