//! `keystead completions`: scripts that complete commands and options in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure, Output};

/// Print a completion script, such as: keystead completions bash > /etc/bash_completion.d/keystead
#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

impl Completions {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "keystead", &mut script);
        output.line(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}
