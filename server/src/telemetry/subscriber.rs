//! `tracing` into the log buffer, and panics into the log.

use std::fmt;
use std::io::{self, Write};
use std::panic::PanicHookInfo;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::buffer::LogBuffer;
use super::exposition::install_metrics;
use super::timestamp::push_timestamp;
use crate::config::{Log, LogFormat};
use crate::time::Clock;

/// The log of the running program.
#[derive(Clone)]
pub struct Telemetry {
    log: LogBuffer,
    access_log: bool,
}

impl Telemetry {
    /// Sends everything that `tracing` hears to `sink`, as `settings` say, logs panics, and starts the metrics. The first
    /// call in a process wins; a later one gets a log of its own to which only its gates write.
    ///
    /// Fails when the filter cannot be read.
    pub fn init(settings: &Log, clock: Clock, sink: Box<dyn Write + Send>) -> Result<Self, tracing_subscriber::filter::ParseError> {
        let filter = EnvFilter::builder().parse(&settings.filter)?;
        let log = LogBuffer::start(sink, settings.format);
        let lines = tracing_subscriber::fmt::layer().with_writer(Lines(log.clone())).with_timer(Times(clock)).with_ansi(false);
        let lines = match settings.format {
            LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
            LogFormat::Pretty => lines.compact().boxed(),
        };
        if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
            log_panics(log.clone());
        }
        install_metrics();
        Ok(Self { log, access_log: tracing::enabled!(target: "keystead::access", Level::INFO) })
    }

    /// Where the gates write.
    pub fn log(&self) -> &LogBuffer {
        &self.log
    }

    /// Whether the filter lets the access log (target `keystead::access`, level info) through.
    pub fn access_log(&self) -> bool {
        self.access_log
    }

    /// Writes out all lines before it returns. For the end of the program.
    pub fn flush(&self) {
        self.log.flush();
    }
}

/// Where a panic happened and what it said; the request it hit is answered and logged by the gate.
fn log_panics(log: LogBuffer) {
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("without a message");
        tracing::error!(target: "keystead::panic", place, panic = message, "panicked");
        log.flush();
    }));
}

struct Times(Clock);

impl FormatTime for Times {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(27);
        push_timestamp(&mut text, self.0.now());
        w.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Hands each event to the buffer as one line.
struct Lines(LogBuffer);

struct Line {
    log: LogBuffer,
    urgent: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { log: self.0.clone(), urgent: false }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line {
        Line { log: self.0.clone(), urgent: *meta.level() == Level::ERROR }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.log.append(bytes, self.urgent);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
