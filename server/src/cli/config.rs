//! `keystead config`: says whether the settings are good, without starting or creating anything.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Failure, Output};
use crate::config::{Environment, Fault, Hint, Settings, Sources};

/// Look at the configuration
#[derive(Clone, Debug, Subcommand)]
pub enum Config {
    /// Check all settings and list everything that is wrong, with how to mend it
    Check(Check),
}

/// Check all settings and list everything that is wrong, with how to mend it
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `config check --json` answers.
#[derive(Serialize)]
struct Report {
    valid: bool,
    environment: Option<&'static str>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    /// What is off, and how to turn it on.
    hints: Vec<Hint>,
}

impl Config {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Check(check) => check.run(output),
        }
    }
}

impl Check {
    fn run(self, output: &Output) -> Result<(), Failure> {
        match Settings::load(&Sources::process()) {
            Ok(settings) => {
                self.good(&settings, output);
                Ok(())
            }
            Err(faults) if self.json => {
                output.json(&Report { valid: false, environment: None, faults: faults.0, warnings: Vec::new(), hints: Vec::new() });
                Err(Failure::Silent(2))
            }
            Err(faults) => Err(faults.into()),
        }
    }

    fn good(&self, settings: &Settings, output: &Output) {
        let (warnings, hints) = (settings.warnings(), settings.hints());
        if self.json {
            return output.json(&Report { valid: true, environment: Some(settings.env.as_str()), faults: Vec::new(), warnings, hints });
        }
        output.warnings(&warnings);
        output.line(format!("The configuration is good for {}.", settings.env.as_str()));
        if settings.env == Environment::Development && settings.master_keys.is_empty() {
            output.line("A development key is kept in the data folder; set KEYSTEAD_MASTER_KEY before real data arrives.");
        }
        for hint in hints {
            output.line(format!("{}\n  → {}", hint.finding, hint.mend));
        }
    }
}
