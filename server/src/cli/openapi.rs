//! `keystead openapi`: the document that describes the HTTP interface, generated from the code.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, Output};

/// Print the OpenAPI document. Needs no configuration
#[derive(Clone, Debug, Args)]
pub struct Openapi {
    /// Write it to this file instead
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Openapi {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let document = document()?;
        let Some(path) = self.output else {
            output.line(document);
            return Ok(());
        };
        std::fs::write(&path, document + "\n").map_err(|error| {
            let what = format!("{} cannot be written: {}.", path.display(), error.kind());
            Failure::failed(what, "Name a file in a folder that you may write.")
        })
    }
}

// INTEGRATION POINT: the document as pretty JSON without a trailing line break.
fn document() -> Result<String, Failure> {
    Err(Failure::failed("`openapi` is not wired.", "Wire it in server/src/cli/openapi.rs."))
}
