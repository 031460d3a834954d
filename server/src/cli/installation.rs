//! The installation as a command sees it: opened like an instance, but nothing serves, polls or runs jobs.
//!
//! It works beside running servers, on the same SQLite file too. What a command changes reaches them as the
//! change of another instance does: pushed through Redis where there is one, and polled within half a second.

use super::Failure;
use crate::app::{App, Seed, StartError};
use crate::config::{Log, Settings, Sources};
use crate::db::{Db, Store};
use crate::error::{Code, Problem};
use crate::telemetry::Telemetry;

/// The settings of an installation that is there. Nothing is made: whoever asks in the wrong folder is told so, and does not
/// leave an empty installation behind that looks like an answer.
///
/// # Errors
/// Every fault of the configuration; there is no installation.
pub(super) fn settings() -> Result<Settings, Failure> {
    let mut settings = Settings::load(&Sources::process())?;
    if let Some(file) = Db::file(&settings.database, Store::Main).filter(|file| !file.exists()) {
        return Err(nowhere(&format!("{} does not exist", file.display())));
    }
    settings.use_data_dir()?;
    Ok(settings)
}

fn nowhere(found: &str) -> Failure {
    let mend = "Run it in the installation's folder, or say where it is with KEYSTEAD_DATA_DIR or DATABASE_URL; \
        `keystead serve` and `keystead migrate` make a new one.";
    Failure::usage(format!("There is no installation here: {found}."), mend)
}

/// Opens the installation, does `work` in it, and closes it again. Only warnings and errors are logged, on
/// standard error.
///
/// # Errors
/// There is none, or it cannot be opened; or those of `work`.
pub(super) async fn within(settings: Settings, work: impl AsyncFnOnce(&App) -> Result<(), Failure>) -> Result<(), Failure> {
    let main = Db::open(&settings.database, Store::Main).map_err(StartError::Database)?;
    let is_made = main.is_made().await;
    main.close().await;
    if !is_made.map_err(StartError::Database)? {
        return Err(nowhere("the database that DATABASE_URL names is empty"));
    }
    within_new(settings, work).await
}

/// The same, of an installation that is made if it is not there.
///
/// # Errors
/// It cannot be opened or made; or those of `work`.
pub(super) async fn within_new(settings: Settings, work: impl AsyncFnOnce(&App) -> Result<(), Failure>) -> Result<(), Failure> {
    let seed = Seed::system();
    let telemetry = telemetry(&settings, &seed)?;
    let result = match App::open(settings, seed).await {
        Ok(app) => {
            let result = work(&app).await;
            app.close().await;
            result
        }
        Err(error) => Err(error.into()),
    };
    telemetry.flush();
    result
}

/// What commands log. A lost Redis is no news here: they count no limits, and what they tell is polled for.
const FILTER: &str = "warn,keystead::shared=off";

/// The log of a command.
pub(super) fn telemetry(settings: &Settings, seed: &Seed) -> Result<Telemetry, Failure> {
    let quiet = Log { filter: FILTER.to_owned(), ..settings.log.clone() };
    let telemetry = Telemetry::init(&quiet, seed.clock.clone(), Box::new(std::io::stderr()));
    telemetry.map_err(|error| StartError::Log(error.to_string()).into())
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let mend = "Look at the settings with `keystead config check`, and whether what they name can be reached.";
        Self::failed(format!("{error}."), mend)
    }
}

impl From<Problem> for Failure {
    /// Operators are told the cause, which clients are not.
    fn from(problem: Problem) -> Self {
        match problem.code {
            Code::ValidationFailed => Self::Refused(problem.errors),
            Code::Internal => Self::failed(cause(&problem), "This is a defect; report it."),
            Code::Unavailable | Code::Overloaded => Self::failed(cause(&problem), "Try again when it answers."),
            Code::NotFound => Self::failed(problem.detail, "Look for its name in the list: `list`, or `show` for one account."),
            Code::Conflict | Code::VersionConflict => Self::failed(problem.detail, "Look at what is there now, and decide anew."),
            _ => Self::failed(problem.detail, "Run the command with --help to see what it takes."),
        }
    }
}

/// One sentence.
fn cause(problem: &Problem) -> String {
    let cause = problem.cause.as_deref().unwrap_or(&problem.detail).trim_end_matches('.');
    let mut letters = cause.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
