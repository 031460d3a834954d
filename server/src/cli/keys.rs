//! `keystead keys`: the Ed25519 keys that sign access tokens.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::installation::{settings, within};
use super::output::{moment, moment_or_never};
use super::{Failure, Output, block_on};
use crate::app::App;
use crate::oauth;
use crate::secret::{KeyState, PublishedKey};

/// List and rotate the keys that sign tokens
#[derive(Clone, Debug, Subcommand)]
pub enum Keys {
    /// List the published keys: which one signs, and until when each is published
    List(List),
    /// Publish a new key, sign with it once every verifier had time to fetch it, and retire the old one
    Rotate(Rotate),
}

/// List the published keys
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Publish a new key and retire the old one
#[derive(Clone, Debug, Args)]
pub struct Rotate {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Keys {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = settings()?;
        let output = *output;
        block_on(
            1,
            within(settings, async |app: &App| match self {
                Self::List(list) => list.act(app, output),
                Self::Rotate(rotate) => rotate.act(app, output).await,
            }),
        )
    }
}

/// `keys list --json`, in the form of every list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    items: Vec<PublishedKey>,
    next_cursor: Option<String>,
}

/// `keys rotate --json`.
#[derive(Serialize)]
struct Rotated {
    key: PublishedKey,
}

impl List {
    fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let items = app.ground.signer.published();
        if self.json {
            output.json(&Listing { items, next_cursor: None });
            return Ok(());
        }
        let rows: Vec<_> = items.iter().map(row).collect();
        output.table(&["KEY", "STATE", "SIGNS FROM", "PUBLISHED UNTIL"], &rows);
        Ok(())
    }
}

fn row(key: &PublishedKey) -> Vec<String> {
    let state = match key.state {
        KeyState::Next => "next",
        KeyState::Current => "current",
        KeyState::Retired => "retired",
    };
    vec![key.kid.clone(), state.to_owned(), moment(key.signs_from), moment_or_never(key.published_until)]
}

impl Rotate {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let key = oauth::rotate(&app.ground, oauth::By::operator(), app.ground.clock.now()).await?;
        if self.json {
            output.json(&Rotated { key });
        } else {
            output.line(format!("Published {}. It signs from {}; every instance follows by itself.", key.kid, moment(key.signs_from)));
        }
        Ok(())
    }
}
