//! `keystead audit`: the audit trail, from the machine that holds the database; and of exports, from any machine.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::installation::{settings, within};
use super::output::private_file;
use super::{Failure, Output, block_on};
use crate::app::App;
use crate::audit::{self, Actor, Event, Export, Filter, Format, Selection, Target, Typed, Verification, verify_file};
use crate::error::Problem;

/// The audit trail
#[derive(Clone, Debug, Subcommand)]
pub enum Audit {
    /// Check that nobody edited the audit trail; exits with 1 and names the first event when somebody did
    Verify(Verify),
    /// Write the audit trail, whole or in part, to standard output or a file
    Export(ExportTo),
}

/// Check the audit trail
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// Check an NDJSON export instead of the database (- for standard input); needs no database and no configuration
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The key that must have signed the export, by its id
    #[arg(long, value_name = "KID", requires = "file")]
    pub key: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Write the audit trail
#[derive(Clone, Debug, Args)]
pub struct ExportTo {
    /// ndjson can be verified offline; csv is for spreadsheets
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Where to; standard output when nothing is said
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only events behind this place: the number of the last one you have
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(0..))]
    pub after: Option<i64>,
    /// Only what this person or client did, by id
    #[arg(long, value_name = "ID")]
    pub actor: Option<Uuid>,
    /// Only this act, such as session.started
    #[arg(long)]
    pub action: Option<String>,
    /// Only what was done to this
    #[arg(long, value_name = "ID")]
    pub target: Option<Uuid>,
    /// Only what ended so
    #[arg(long, value_parser = ["success", "denied"])]
    pub outcome: Option<String>,
    /// Only from this instant on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only before this instant (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

impl Audit {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let output = *output;
        match self {
            Self::Verify(verify) => match verify.file.clone() {
                Some(file) => verify.offline(&file, output),
                None => block_on(1, within(settings()?, async |app: &App| verify.act(app, output).await)),
            },
            Self::Export(export) => block_on(1, within(settings()?, async |app: &App| export.act(app).await)),
        }
    }
}

impl Verify {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        // What happened a moment ago is checked, too, whether or not a server runs.
        while audit::seal(&app.ground).await.map_err(Problem::from)? > 0 {}
        let found = audit::verify(&app.ground).await.map_err(Problem::from)?;
        if self.json {
            output.json(&found);
        }
        whole(&found, "Compare that event with a backup or an export; somebody changed the table by hand.")?;
        if !self.json {
            output.line(format!("The audit trail is whole: {} events.", found.checked));
        }
        Ok(())
    }

    fn offline(&self, file: &Path, output: Output) -> Result<(), Failure> {
        let found = if file.as_os_str() == "-" {
            verify_file(io::stdin().lock(), self.key.as_deref())
        } else {
            let opened = File::open(file).map_err(|error| unusable(file, &error))?;
            verify_file(BufReader::new(opened), self.key.as_deref())
        };
        let found = found.map_err(|error| unusable(file, &error))?;
        if self.json {
            output.json(&found);
        }
        whole(&found.verification, "Compare the file with another export; it was changed after it was written, or the table was before.")?;
        if !self.json {
            let Verification { checked, sealed_up_to, .. } = found.verification;
            let keys = found.keys.join(", ");
            output.line(format!("The audit trail is whole: {checked} events, up to event {sealed_up_to}, signed by {keys}."));
        }
        Ok(())
    }
}

fn whole(found: &Verification, mend: &str) -> Result<(), Failure> {
    let Some(broken) = &found.first_broken else { return Ok(()) };
    Err(Failure::failed(format!("The audit trail is broken at event {}: {}.", broken.seq, broken.reason), mend))
}

fn unusable(file: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::usage(
        format!("{} cannot be checked: {error}.", file.display()),
        "Name a file that `keystead audit export` wrote, or - for standard input.",
    )
}

impl ExportTo {
    async fn act(&self, app: &App) -> Result<(), Failure> {
        let Self { actor, action, target, outcome, from, to, .. } = self.clone();
        let filter = Filter::check(&Typed {
            actor: actor.map(|id| id.to_string()),
            action,
            target: target.map(|id| id.to_string()),
            outcome,
            from,
            to,
        })
        .map_err(|problem| {
            let wrong: Vec<String> = problem.errors.iter().map(|fault| format!("--{}: {}", fault.field, fault.message)).collect();
            Failure::usage("The export cannot be narrowed so.", wrong.join(" "))
        })?;
        let selection = Selection { filter: Some(filter), after: self.after };
        let mut target: Box<dyn Write> = match &self.output {
            Some(file) => Box::new(private_file(file).map_err(|error| unwritable(&error))?),
            None => Box::new(io::stdout()),
        };
        let ground = &app.ground;
        let event = Event::new(ground, audit::AUDIT_EXPORTED, ground.clock.now()).actor(Actor::Operator).target(Target::none("audit"));
        let mut export = Export::open(ground, self.format, selection, event.detail("format", self.format.as_str())).await?;
        while let Some(bytes) = export.next().await? {
            // Writing blocks, and may: nothing else runs in this process.
            match target.write_all(&bytes) {
                // A reader that went away (`| head`) is no error.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                written => written.map_err(|error| unwritable(&error))?,
            }
        }
        target.flush().map_err(|error| unwritable(&error))
    }
}

fn unwritable(error: &io::Error) -> Failure {
    Failure::failed(format!("The export cannot be written: {error}."), "Name a file with --output that does not exist yet, or make room.")
}
