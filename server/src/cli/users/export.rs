//! `keystead users export`.

use std::io::{self, Write};

use super::ExportTo;
use crate::accounts::import::{Export, exported};
use crate::app::App;
use crate::audit::Actor;
use crate::cli::Failure;
use crate::cli::output::private_file;

impl ExportTo {
    pub(super) async fn act(&self, app: &App) -> Result<(), Failure> {
        let mut target: Box<dyn Write> = match &self.output {
            Some(file) => Box::new(private_file(file).map_err(|error| unwritable(&error))?),
            None => Box::new(io::stdout()),
        };
        let event = exported(&app.ground, !self.no_passwords).actor(Actor::Operator);
        let mut export = Export::open(&app.ground, !self.no_passwords, event).await?;
        while let Some(lines) = export.next().await? {
            // Writing blocks, and may: nothing else runs in this process.
            match target.write_all(&lines) {
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
