//! `keystead users import`.

use std::fs::File;
use std::io::{self, Read};

use super::Import;
use crate::accounts::By;
use crate::accounts::import::{self, Report};
use crate::app::App;
use crate::audit::Actor;
use crate::cli::{Failure, Output};

/// Bytes that are read at a time.
const CHUNK: usize = 64 * 1024;

impl Import {
    pub(super) async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let grantable = app.roles.snapshot().names().map(str::to_owned).collect();
        let mut import = import::Import::new(app.ground.clone(), By::of(Actor::Operator), grantable, self.dry_run);
        let mut source = self.open()?;
        let mut chunk = vec![0; CHUNK];
        loop {
            // Reading blocks, and may: nothing else runs in this process.
            let length = source.read(&mut chunk).map_err(|error| self.unreadable(&error))?;
            if length == 0 {
                break;
            }
            import.push(&chunk[..length]).await?;
        }
        let report = import.finish().await?;
        self.tell(&report, output);
        if report.failed > 0 {
            let mend = "Mend them and import the whole file again; people who are there are skipped.";
            return Err(Failure::failed(format!("{} lines could not be imported.", report.failed), mend));
        }
        Ok(())
    }

    fn open(&self) -> Result<Box<dyn Read>, Failure> {
        if self.file.as_os_str() == "-" {
            return Ok(Box::new(io::stdin()));
        }
        Ok(Box::new(File::open(&self.file).map_err(|error| self.unreadable(&error))?))
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::usage(
            format!("{} cannot be read: {error}.", self.file.display()),
            "Name a file with one JSON object a line, or - for standard input.",
        )
    }

    fn tell(&self, report: &Report, output: Output) {
        if self.json {
            output.json(report);
            return;
        }
        for problem in &report.errors {
            output.line(format!("line {}: {}: {}", problem.line, problem.code, problem.message));
        }
        let would = if self.dry_run { "Would be imported" } else { "Imported" };
        output.line(format!("{would}: {}, skipped: {}, failed: {}.", report.imported, report.skipped, report.failed));
    }
}
