//! `keystead flags`: feature flags, from the machine that holds the database. Running servers follow within a second.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::installation::{settings, within};
use super::{Failure, Output, block_on};
use crate::app::App;
use crate::audit::{Actor, Event};
use crate::flags::{self, Definition, FlagView};
use crate::http::if_match::IfMatch;

/// See and change feature flags
#[derive(Clone, Debug, Subcommand)]
pub enum Flags {
    /// List every flag, with those of Keystead's own
    List(List),
    /// Show how a flag is configured
    Get(Key),
    /// Configure a flag from a file with its definition
    Set(Set),
    /// Switch a flag on
    Enable(Key),
    /// Switch a flag off: everybody gets its off variant
    Disable(Key),
    /// Delete a flag; one of Keystead's own goes back to its default
    Delete(Key),
}

/// List every flag
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// One flag
#[derive(Clone, Debug, Args)]
pub struct Key {
    /// The flag's key
    pub key: String,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Configure a flag
#[derive(Clone, Debug, Args)]
pub struct Set {
    /// The flag's key
    pub key: String,
    /// A file with the definition as JSON; - for standard input
    pub file: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// `--json` of a list, in the form of every list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    items: Vec<FlagView>,
    next_cursor: Option<String>,
}

/// `--json` of one flag, as the API answers it.
#[derive(Serialize)]
struct One {
    flag: FlagView,
}

impl Flags {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        // Standard input blocks, so it is read before the runtime starts.
        let definition = match &self {
            Self::Set(set) => Some(set.read()?),
            _ => None,
        };
        let settings = settings()?;
        let output = *output;
        block_on(1, within(settings, async |app: &App| self.act(definition.clone(), app, output).await))
    }

    async fn act(&self, definition: Option<Definition>, app: &App, output: Output) -> Result<(), Failure> {
        match (self, definition) {
            (Self::List(list), _) => list.act(app, output).await,
            (Self::Get(named), _) => show(output, named.json, find(app, &named.key).await?),
            (Self::Set(set), Some(definition)) => show(output, set.json, put(app, &set.key, definition).await?),
            (Self::Enable(named), _) => named.switch(app, output, true).await,
            (Self::Disable(named), _) => named.switch(app, output, false).await,
            (Self::Delete(named), _) => named.delete(app, output).await,
            // `run` read the definition.
            (Self::Set(_), None) => Ok(()),
        }
    }
}

impl List {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let items = flags::list(app).await?;
        if self.json {
            output.json(&Listing { items, next_cursor: None });
            return Ok(());
        }
        let rows: Vec<_> = items.iter().map(row).collect();
        output.table(&["FLAG", "STATE", "DEFAULT", "VERSION", "DESCRIPTION"], &rows);
        Ok(())
    }
}

fn row(flag: &FlagView) -> Vec<String> {
    let state = if flag.enabled { "enabled" } else { "disabled" };
    let description = flag.description.clone().unwrap_or_default();
    vec![flag.key.clone(), state.to_owned(), flag.default_variant.clone(), flag.version.to_string(), description]
}

impl Set {
    fn read(&self) -> Result<Definition, Failure> {
        let unreadable = |error: String| {
            Failure::usage(format!("{} cannot be read: {error}.", self.file.display()), "See docs/flags.md for what a definition is.")
        };
        let text = if self.file.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(&self.file)
        };
        let text = text.map_err(|error| unreadable(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))
    }
}

impl Key {
    async fn switch(&self, app: &App, output: Output, enabled: bool) -> Result<(), Failure> {
        let found = find(app, &self.key).await?;
        let flag = put(app, &self.key, Definition { enabled, ..found.definition() }).await?;
        show(output, self.json, flag)
    }

    async fn delete(&self, app: &App, output: Output) -> Result<(), Failure> {
        find(app, &self.key).await?;
        flags::delete(app, &self.key, &IfMatch::default(), by_operator, app.ground.clock.now()).await?;
        if self.json {
            output.json(&serde_json::json!({}));
        } else {
            output.line(format!("Deleted {}.", self.key));
        }
        Ok(())
    }
}

fn by_operator(event: Event) -> Event {
    event.actor(Actor::Operator)
}

async fn put(app: &App, key: &str, definition: Definition) -> Result<FlagView, Failure> {
    let put = flags::put(app, key, definition, &IfMatch::default(), by_operator, app.ground.clock.now()).await;
    put.map_err(|problem| {
        if problem.errors.is_empty() {
            return problem.into();
        }
        // The members of a file, not the options of a command.
        let faults: Vec<_> = problem.errors.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
        Failure::usage(format!("The definition is refused. {}", faults.join(" ")), "See docs/flags.md for what a definition is.")
    })
}

async fn find(app: &App, key: &str) -> Result<FlagView, Failure> {
    let found = flags::list(app).await?.into_iter().find(|flag| flag.key == key);
    found.ok_or_else(|| Failure::failed(format!("There is no flag `{key}`."), "See `keystead flags list`."))
}

fn show(output: Output, json: bool, flag: FlagView) -> Result<(), Failure> {
    if json {
        output.json(&One { flag });
    } else {
        let definition = serde_json::to_string_pretty(&flag.definition()).unwrap_or_default();
        output.line(format!("{} (version {})\n{definition}", flag.key, flag.version));
    }
    Ok(())
}
