//! `keystead logout`: end this machine's session at a server.

use clap::Args;
use serde::Serialize;

use super::remote::address::Address;
use super::remote::credentials::Credentials;
use super::remote::{meant, not_signed_in, reach, tokens};
use super::{Failure, Output, block_on};

/// Sign out: end the session at the server and forget its tokens
#[derive(Clone, Debug, Args)]
pub struct Logout {
    /// The server; the one signed in to last when left out
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    pub server: Option<Address>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// `logout --json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedOut<'a> {
    server: &'a str,
    signed_out: bool,
}

impl Logout {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let credentials = Credentials::of_this_user()?;
        let server = reach(&meant(self.server, &credentials)?)?;
        block_on(1, async {
            let address = &server.address;
            let tokens = {
                let lock = credentials.lock()?;
                let tokens = credentials.read()?.tokens(address).ok_or_else(|| not_signed_in(address))?;
                // Forgotten first: whatever the server answers, nobody finds them here.
                lock.change(|kept| kept.remove(address))?;
                tokens
            };
            let told = tokens::revoke(&server, &tokens).await;
            if !matches!(told, Ok(true)) {
                let what = format!("The tokens for {address} are gone from this machine, but the server could not be told.");
                return Err(Failure::failed(what, "Nobody holds them any more; to end the session at once, do so in your account there."));
            }
            if self.json {
                output.json(&SignedOut { server: address.as_str(), signed_out: true });
            } else {
                output.line(format!("Signed out of {address}."));
            }
            Ok(())
        })
    }
}
