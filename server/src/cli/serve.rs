//! `keystead serve`: the server, until it is told to stop.

use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Output, block_on, settings};
use crate::app::{self, Running, Seed};
use crate::config::{Settings, release};

/// Run the server. Everything is configured by files and the environment; see `keystead config check`
#[derive(Clone, Debug, Args)]
pub struct Serve {}

impl Serve {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = settings()?;
        output.warnings(&settings.warnings());
        block_on(settings.server.worker_threads, serve(settings, *output))
    }
}

async fn serve(settings: Settings, output: Output) -> Result<(), Failure> {
    let told = Told::of(&settings);
    // Before anything is opened, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let running = tokio::select! {
        started = app::start(settings, Seed::system()) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    told.print(&output, &running);
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: finishing what is under way"),
        _ = interrupt.recv() => tracing::info!("SIGINT: finishing what is under way"),
    }
    Ok(running.stop().await?)
}

fn no_signals(error: std::io::Error) -> Failure {
    Failure::failed(format!("Signals cannot be received: {error}."), "Check the limits of this user.")
}

/// What somebody who starts the server by hand wants to know: where to click.
struct Told {
    public_url: String,
    data_dir: PathBuf,
    development: bool,
    mailbox: bool,
}

impl Told {
    fn of(settings: &Settings) -> Self {
        let mailbox = settings.is_development() && settings.mail.smtp_url.is_none();
        Self {
            public_url: settings.public_url().to_owned(),
            data_dir: settings.data_dir.clone(),
            development: settings.is_development(),
            mailbox,
        }
    }

    fn print(&self, output: &Output, running: &Running) {
        tracing::info!(address = %running.addr, ops = ?running.ops_addr, version = release::LONG, "ready");
        if !self.development {
            return;
        }
        let url = &self.public_url;
        output.line(format!("\n  Keystead {} is ready.\n", release::VERSION));
        output.line(format!("  Address    {url}"));
        output.line(format!("  API docs   {url}/api/docs"));
        if self.mailbox {
            output.line(format!("  Mailbox    {url}/dev/mailbox"));
        }
        if let Some(ops) = running.ops_addr {
            output.line(format!("  Metrics    http://{ops}/metrics"));
        }
        output.line(format!("  Data       {}\n", self.data_dir.display()));
    }
}
