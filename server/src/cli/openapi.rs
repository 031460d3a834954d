//! `keystead openapi` and `keystead asyncapi`: the documents that describe the HTTP interface and the realtime frames, generated
//! from the code.

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
        hand_out(document()?, self.output, output)
    }
}

/// Print the AsyncAPI document. Needs no configuration
#[derive(Clone, Debug, Args)]
pub struct Asyncapi {
    /// Write it to this file instead
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Asyncapi {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        hand_out(crate::presence::asyncapi(), self.output, output)
    }
}

fn hand_out(document: String, path: Option<PathBuf>, output: &Output) -> Result<(), Failure> {
    let Some(path) = path else {
        output.line(document);
        return Ok(());
    };
    std::fs::write(&path, document + "\n").map_err(|error| {
        let what = format!("{} cannot be written: {}.", path.display(), error.kind());
        Failure::failed(what, "Name a file in a folder that you may write.")
    })
}

/// The document as pretty JSON without a trailing line break.
fn document() -> Result<String, Failure> {
    let pretty = crate::app::openapi().to_pretty_json();
    pretty.map_err(|error| Failure::failed(format!("The document cannot be written: {error}."), "This is a defect; report it."))
}
