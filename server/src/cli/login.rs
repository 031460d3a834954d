//! `keystead login`: sign this machine in at a server, by a code that a person approves in a browser.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::remote::address::Address;
use super::remote::credentials::Credentials;
use super::remote::device::{self, Begun};
use super::remote::server::Server;
use super::remote::{browser, meant, plain, reach, tokens, whoami};
use super::{Failure, Output, block_on};

/// Sign in at a server
#[derive(Clone, Debug, Args)]
pub struct Login {
    /// The server, such as https://id.example.com; the one signed in to last when left out, else http://localhost:8080
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    pub server: Option<Address>,
    /// Show the link and open no browser
    #[arg(long)]
    pub no_browser: bool,
    /// Answer as JSON; code and link stand on standard error all the same
    #[arg(long)]
    pub json: bool,
}

impl Login {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let credentials = Credentials::of_this_user()?;
        let server = reach(&meant(self.server.clone(), &credentials)?)?;
        // What is there is looked at before anybody is sent to a browser.
        credentials.read()?;
        let output = *output;
        block_on(1, self.act(server, credentials, output))
    }

    async fn act(self, server: Server, credentials: Credentials, output: Output) -> Result<(), Failure> {
        let endpoints = server.endpoints().await?;
        let begun = device::begin(&server, &endpoints).await?;
        self.show(&begun, &server, output);
        let waiting = Waiting::begin(begun.expires_in, output);
        let issued = device::wait(&server, &endpoints, &begun).await;
        waiting.end();
        let fresh = issued?.into_tokens(&server, None)?;

        let lock = credentials.lock()?;
        let before = credentials.read()?.tokens(&server.address);
        lock.change(|kept| {
            kept.put(&server.address, &fresh);
            kept.make_current(&server.address);
        })?;
        drop(lock);
        if let Some(before) = before {
            // Nobody holds the session of before any more. That it may live on until it is unused long enough is no failure.
            let _ = tokens::revoke(&server, &before).await;
        }

        let identity = whoami::ask(&server, &credentials).await?;
        if self.json {
            output.json(&identity);
        } else {
            output.line(format!("Signed in to {} as {}.", server.address, identity.person()));
        }
        Ok(())
    }

    /// Code and link, for the person; and the browser, where there is one.
    fn show(&self, begun: &Begun, server: &Server, output: Output) {
        let code = plain(&begun.user_code);
        output.note(format!("To sign in to {}, open this page and compare the code:", server.address));
        output.note("");
        let complete = begun.verification_uri_complete.as_deref();
        output.note(format!("    {}", plain(complete.unwrap_or(&begun.verification_uri))));
        output.note(format!("    {code}"));
        output.note("");
        if !self.no_browser && browser::somebody_watches() && complete.is_some_and(browser::open) {
            output.note("It was opened in your browser.");
        }
    }
}

/// What is to be seen while somebody approves: a spinner on a terminal, a line elsewhere.
struct Waiting(Option<ProgressBar>);

impl Waiting {
    fn begin(seconds: u64, output: Output) -> Self {
        let message = format!("Waiting until it is approved, at most {} minutes", seconds.div_ceil(60));
        if !browser::somebody_watches() {
            output.note(format!("{message}."));
            return Self(None);
        }
        let spinner = ProgressBar::new_spinner().with_message(message);
        // The template is constant; were it refused, the usual one would do.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(100));
        Self(Some(spinner))
    }

    fn end(self) {
        if let Some(spinner) = self.0 {
            spinner.finish_and_clear();
        }
    }
}
