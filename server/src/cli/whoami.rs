//! `keystead whoami`: who this machine is signed in as.

use clap::Args;

use super::remote::address::Address;
use super::remote::credentials::Credentials;
use super::remote::{meant, reach, whoami};
use super::{Failure, Output, block_on};

/// Show who is signed in, the session and what it may do
#[derive(Clone, Debug, Args)]
pub struct Whoami {
    /// The server; the one signed in to last when left out
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    pub server: Option<Address>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Whoami {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let credentials = Credentials::of_this_user()?;
        let server = reach(&meant(self.server, &credentials)?)?;
        block_on(1, async {
            let identity = whoami::ask(&server, &credentials).await?;
            if self.json {
                output.json(&identity);
            } else {
                output.facts(&identity.facts());
            }
            Ok(())
        })
    }
}
