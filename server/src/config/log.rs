//! Logs, traces, error reports.

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use super::Environment;
use super::fault::{Fault, Wrong, wrong};
use super::urls;
use super::values::Values;

/// Shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

/// `LOG_FORMAT`, `RUST_LOG`, `SENTRY_DSN`, `OTEL_EXPORTER_OTLP_ENDPOINT`.
#[derive(Clone, Debug)]
pub struct Log {
    /// Shape of log lines; pretty in development and JSON otherwise, unless set.
    pub format: LogFormat,
    /// Filter directives, checked.
    pub filter: String,
    /// Where errors are reported.
    pub sentry_dsn: Option<SecretString>,
    /// Where traces are sent.
    pub otlp_endpoint: Option<String>,
}

impl Log {
    pub(super) fn from(values: &Values, env: Environment) -> Result<Self, Fault> {
        let usual = if env == Environment::Development { LogFormat::Pretty } else { LogFormat::Json };
        Ok(Self {
            format: values.optional("log.format", format)?.unwrap_or(usual),
            filter: values.get("log.filter", filter)?,
            sentry_dsn: values.secret("log.sentry_dsn")?,
            otlp_endpoint: values.optional("log.otlp_endpoint", urls::web)?,
        })
    }
}

/// `json` or `pretty`.
pub(super) fn format(text: &str) -> Result<LogFormat, Wrong> {
    match text.trim() {
        "json" => Ok(LogFormat::Json),
        "pretty" => Ok(LogFormat::Pretty),
        _ => wrong("is not a log format", "use `json` or `pretty`"),
    }
}

/// Directives of the log filter, kept as written.
pub(super) fn filter(text: &str) -> Result<String, Wrong> {
    match EnvFilter::try_new(text.trim()) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(_) => wrong("is not a log filter", "use a level or directives, such as `info` or `info,keystead=debug`"),
    }
}
