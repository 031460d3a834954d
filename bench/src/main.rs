//! Compares the release build of Keystead with the same work without a server around it, and prints what was
//! promised, what was measured, and whether it holds. `docs/performance.md` explains the lines.

mod baseline;
mod load;
mod postgres;
mod process;
mod rows;
mod seed;
mod server;
mod soak;
mod table;
mod tokens;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};

use crate::rows::Pace;
use crate::rows::audit::Length;
use crate::rows::growth::Stock;
use crate::rows::transactions;
use crate::seed::Size;
use crate::server::Site;
use crate::table::Table;

/// The allocator of the server, so that the bare baselines have it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// People and sessions of the store that everything but growth is measured on, and that growth starts from.
const SMALL: Size = Size { users: 10_000, sessions: 30_000 };
/// People who are imported.
const IMPORTED: usize = 100_000;
const SESSIONS_EACH: usize = 3;
/// Sessions whose tokens are used.
const SAMPLED: usize = 6000;

/// Compare the release build with raw baselines
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// Grow to 1,000,000 people, 3,000,000 sessions and 5,000,000 audit events instead of a tenth of it
    #[arg(long)]
    full: bool,

    /// A large store made by `seed` before, instead of filling one now
    #[arg(long, value_name = "FOLDER")]
    large: Option<PathBuf>,

    /// Only these groups of lines
    #[arg(long, value_delimiter = ',')]
    only: Vec<Group>,

    /// Rounds of each comparison; the median is shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Seconds of one turn
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    Me,
    Presence,
    OAuth,
    Flags,
    Refresh,
    Postgres,
    Login,
    Memory,
    Start,
    Growth,
    Audit,
    Import,
    Quotas,
    Transactions,
}

#[derive(Subcommand)]
enum Command {
    /// Fill an SQLite store with people and sessions that really work
    Seed {
        /// The data folder
        folder: PathBuf,
        #[arg(long, default_value_t = 1_000_000)]
        users: usize,
        #[arg(long, default_value_t = 3_000_000)]
        sessions: usize,
    },
    Soak(soak::Plan),
    /// Carry out the load plan on standard input
    #[command(hide = true)]
    Load,
    /// Answer the recorded answer, from a bare axum route
    #[command(hide = true)]
    BaselineAxum {
        port: u16,
        route: String,
        answer: PathBuf,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    if matches!(args.command, Some(Command::Load)) {
        return load::run();
    }
    if let Some(Command::Soak(plan)) = &args.command {
        return soak::run(plan);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &args.command {
        Some(Command::BaselineAxum { port, route, answer }) => runtime.block_on(baseline::serve_axum(*port, route, answer)),
        Some(Command::Seed { folder, users, sessions }) => {
            let site = Site::sqlite(folder).with_cheap_passwords();
            runtime.block_on(seed::fill(&site, Size { users: *users, sessions: *sessions }))
        }
        _ => compare(&args, &runtime),
    }
}

fn compare(args: &Args, runtime: &tokio::runtime::Runtime) -> Result<()> {
    let wanted = |group: Group| args.only.is_empty() || args.only.contains(&group);
    let pace = Pace { rounds: args.rounds, turn: Duration::from_secs_f64(args.seconds) };
    let folder = tempfile::tempdir().context("no folder for the stores")?;
    let machine = process::machine(folder.path())?;
    let site = Site::sqlite(&folder.path().join("small"));
    let mut table = Table::default();

    if [Group::Me, Group::OAuth, Group::Flags, Group::Refresh, Group::Login, Group::Memory, Group::Presence].into_iter().any(wanted) {
        tell("filling the store");
        runtime.block_on(seed::fill(&site, SMALL))?;
        let samples = runtime.block_on(tokens::sample(&site, SAMPLED))?;
        if wanted(Group::Me) {
            tell("GET /me");
            table.0.extend(rows::me::rows(&site, &samples, pace)?);
        }
        if wanted(Group::Presence) {
            tell("realtime connections");
            table.0.extend(runtime.block_on(rows::connections::rows(&site, &samples))?);
        }
        if wanted(Group::OAuth) {
            tell("tokens of clients");
            table.0.extend(rows::oauth::rows(&site, &samples, pace)?);
        }
        if wanted(Group::Flags) {
            tell("flags");
            table.0.extend(rows::flags::rows(&site, &samples, pace)?);
        }
        if wanted(Group::Refresh) {
            tell("refresh on SQLite");
            table.0.extend(rows::refresh::rows(&site, &samples, pace)?);
        }
        if wanted(Group::Login) {
            tell("sign-in");
            table.0.extend(rows::login::rows(&site, SMALL, &samples, pace)?);
        }
        if wanted(Group::Memory) {
            tell("memory");
            table.0.extend(rows::memory::rows(&site, SMALL, pace)?);
        }
    }
    if wanted(Group::Start) {
        tell("start");
        table.0.extend(rows::start::rows()?);
    }
    if wanted(Group::Postgres) {
        tell("refresh on PostgreSQL");
        table.0.extend(runtime.block_on(rows::refresh_postgres::rows(pace))?);
    }
    if wanted(Group::Growth) {
        tell("growth: filling the stores");
        let (small, large) = stocks(args, folder.path(), runtime)?;
        tell("growth");
        table.0.extend(runtime.block_on(rows::growth::rows(&small, &large, pace))?);
    }
    if wanted(Group::Audit) {
        tell("the audit trail");
        let length = Length { small: 50_000, large: if args.full { 5_000_000 } else { 500_000 } };
        table.0.extend(runtime.block_on(rows::audit::rows(folder.path(), length, pace))?);
    }
    if wanted(Group::Import) {
        tell("an import");
        let site = Site::sqlite(&folder.path().join("import")).with_cheap_passwords();
        table.0.extend(rows::import::rows(&site, IMPORTED)?);
    }
    if wanted(Group::Quotas) {
        tell("quotas");
        table.0.extend(runtime.block_on(rows::quotas::rows(folder.path(), pace))?);
    }
    if wanted(Group::Transactions) {
        tell("transactions");
        let length = transactions::Length { small: 10_000, large: if args.full { 1_000_000 } else { 100_000 } };
        table.0.extend(runtime.block_on(transactions::rows(folder.path(), length, pace))?);
    }
    let _ = writeln!(std::io::stdout(), "{machine}; {} rounds of {} s\n\n{table}", pace.rounds, args.seconds);
    Ok(())
}

/// The two stores that are compared, with passwords that cost next to nothing.
fn stocks(args: &Args, folder: &std::path::Path, runtime: &tokio::runtime::Runtime) -> Result<(Stock, Stock)> {
    let users = SMALL.users * if args.full || args.large.is_some() { 100 } else { 10 };
    let stock = |folder: &std::path::Path, size| Stock { site: Site::sqlite(folder).with_cheap_passwords(), size };
    let small = stock(&folder.join("growth-small"), SMALL);
    let size = Size { users, sessions: users * SESSIONS_EACH };
    let large = stock(&args.large.clone().unwrap_or_else(|| folder.join("growth-large")), size);
    runtime.block_on(seed::fill(&small.site, small.size))?;
    if args.large.is_none() {
        runtime.block_on(seed::fill(&large.site, large.size))?;
    }
    Ok((small, large))
}

/// What is being done, for whoever waits.
fn tell(what: &str) {
    let _ = writeln!(std::io::stderr(), "… {what}");
}
