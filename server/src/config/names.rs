//! THE table of every setting: its key in the file, its names in the environment, what it accepts, what it is for.
//!
//! `.env.example`, `docs/configuration.md` and `defaults.toml` are held to this table by tests; a setting that is
//! not here is refused with a suggestion. Every key has the name `KEYSTEAD_SECTION__KEY`; where the ecosystem has
//! a conventional one, that works too and is the one we show.

use super::fault::Wrong;
use super::{keys, limits, log, mail, network, parse, privacy, urls};

/// What a setting accepts; knows how to check a text and how to describe itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// `development`, `staging`, `production`.
    Environment,
    /// `json`, `pretty`.
    LogFormat,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds.
    Number(u64, u64),
    /// A duration within bounds, in seconds.
    Span(u64, u64),
    /// The same, or `0` for never.
    SpanOrNever(u64, u64),
    /// A number of bytes within bounds.
    Size(u64, u64),
    /// So many per window.
    Rate,
    /// So many per window, or `off`.
    Quota,
    /// A time zone by its IANA name.
    TimeZone,
    /// Any text without control characters.
    Text,
    /// A text that never prints.
    Secret,
    /// A host name or an IP address without port.
    Host,
    /// An IP address with port, or `off`.
    Address,
    /// The origin that people reach this server under.
    PublicUrl,
    /// An http or https URL without credentials.
    WebUrl,
    /// Comma-separated origins.
    Origins,
    /// Comma-separated networks, or `hops:N`.
    Proxies,
    /// Comma-separated networks.
    Networks,
    /// One key, or `id:key` list.
    MasterKeys,
    /// SQLite file or PostgreSQL.
    DatabaseUrl,
    /// PostgreSQL.
    ReplicaUrl,
    /// Redis in its forms.
    RedisUrl,
    /// SMTP server.
    SmtpUrl,
    /// `Name <address>`.
    Mailbox,
    /// A filter of the log.
    LogFilter,
    /// A DSN of Sentry.
    SentryDsn,
    /// `name=version` list.
    Policies,
    /// `ws://` or `wss://`.
    SocketUrl,
    /// Comma-separated `turn:` and `stun:` URIs.
    TurnUrls,
}

impl Accepts {
    /// Checks `text` and throws the parsed value away.
    pub(super) fn check(self, text: &str) -> Result<(), Wrong> {
        match self {
            Self::Environment => parse::environment(text).map(drop),
            Self::LogFormat => log::format(text).map(drop),
            Self::Flag => parse::flag(text).map(drop),
            Self::Number(min, max) => parse::number_within(text, min, max),
            Self::Span(min, max) => parse::span_within(text, min, max),
            Self::SpanOrNever(min, max) => parse::span_or_never_within(text, min, max),
            Self::Size(min, max) => parse::size_within(text, min, max),
            Self::Rate => parse::rate(text).map(drop),
            Self::Quota => limits::quota(text).map(drop),
            Self::TimeZone => limits::time_zone(text).map(drop),
            Self::Text | Self::Secret => parse::text(text).map(drop),
            Self::Host => network::host(text).map(drop),
            Self::Address => network::address(text).map(drop),
            Self::PublicUrl => urls::public(text).map(drop),
            Self::WebUrl => urls::web(text).map(drop),
            Self::Origins => network::origins(text).map(drop),
            Self::Proxies => network::proxies(text).map(drop),
            Self::Networks => network::networks(text).map(drop),
            Self::MasterKeys => keys::master_keys(text).map(drop),
            Self::DatabaseUrl => urls::database(text).map(drop),
            Self::ReplicaUrl => urls::postgres(text).map(drop),
            Self::RedisUrl => urls::redis(text).map(drop),
            Self::SmtpUrl => urls::smtp(text).map(drop),
            Self::Mailbox => mail::mailbox(text).map(drop),
            Self::LogFilter => log::filter(text).map(drop),
            Self::SentryDsn => urls::sentry(text).map(drop),
            Self::Policies => privacy::policies(text).map(drop),
            Self::SocketUrl => urls::socket(text).map(drop),
            Self::TurnUrls => urls::turn(text).map(drop),
        }
    }

    /// Whether the value may hold a credential and therefore never prints.
    pub const fn is_secret(self) -> bool {
        matches!(
            self,
            Self::Secret | Self::MasterKeys | Self::DatabaseUrl | Self::ReplicaUrl | Self::RedisUrl | Self::SmtpUrl | Self::SentryDsn
        )
    }

    /// In a few words, for the reference.
    pub fn describe(self) -> String {
        match self {
            Self::Environment => "`development`, `staging` or `production`".into(),
            Self::LogFormat => "`json` or `pretty`".into(),
            Self::Flag => "`true` or `false`".into(),
            Self::Number(min, u64::MAX) => format!("whole number, at least {min}"),
            Self::Number(min, max) => format!("whole number, {min} to {max}"),
            Self::Span(min, max) => format!("duration, {} to {}", parse::span_text(min), parse::span_text(max)),
            Self::SpanOrNever(min, max) => format!("duration, {} to {}, or `0` for never", parse::span_text(min), parse::span_text(max)),
            Self::Size(min, max) => format!("size, {} to {}", parse::size_text(min), parse::size_text(max)),
            Self::Rate => "rate, such as `100/15m`".into(),
            Self::Quota => "amount per period, such as `50000/1d`, or `off`".into(),
            Self::TimeZone => "time zone, such as `UTC` or `Europe/Berlin`".into(),
            Self::Text => "text".into(),
            Self::Secret => "secret text".into(),
            Self::Host => "host name or IP address".into(),
            Self::Address => "`address:port` or `off`".into(),
            Self::PublicUrl => "http(s) URL without path".into(),
            Self::WebUrl => "http(s) URL".into(),
            Self::Origins => "comma-separated origins".into(),
            Self::Proxies => "comma-separated CIDRs, or `hops:N`".into(),
            Self::Networks => "comma-separated CIDRs".into(),
            Self::MasterKeys => "32 bytes in base64, or an `id:key` list with the current one first".into(),
            Self::DatabaseUrl => "`sqlite://` or `postgres://` URL".into(),
            Self::ReplicaUrl => "`postgres://` URL".into(),
            Self::RedisUrl => "Redis URL: single, cluster or sentinel".into(),
            Self::SmtpUrl => "`smtp://` or `smtps://` URL".into(),
            Self::Mailbox => "`Name <address>`".into(),
            Self::LogFilter => "log filter directives".into(),
            Self::SentryDsn => "Sentry DSN".into(),
            Self::Policies => "comma-separated `name=version`".into(),
            Self::SocketUrl => "`wss://` or `ws://` URL".into(),
            Self::TurnUrls => "comma-separated `turn:`, `turns:`, `stun:` URIs".into(),
        }
    }
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Dotted key in `keystead.toml`, such as `server.port`.
    pub key: &'static str,
    /// The name the ecosystem knows, when there is one.
    pub conventional: Option<&'static str>,
    /// What it accepts.
    pub accepts: Accepts,
    /// What holds when it is not set and `defaults.toml` has no value, in words; empty when it has one.
    pub otherwise: &'static str,
    /// One line for the reference.
    pub doc: &'static str,
}

impl Setting {
    /// The name we show: the conventional one, else `KEYSTEAD_SECTION__KEY`.
    pub fn name(&self) -> String {
        self.conventional.map_or_else(|| self.section_name(), str::to_owned)
    }

    /// The name made from the key: `server.port` → `KEYSTEAD_SERVER__PORT`.
    pub fn section_name(&self) -> String {
        section_name(self.key)
    }
}

/// Names that steer the loading itself; they have no key in the file.
pub const LOADING: &[(&str, &str, &str)] = &[
    ("KEYSTEAD_CONFIG", "keystead.toml in the working folder, if there is one", "Path of the configuration file."),
    ("KEYSTEAD_SECRETS_DIR", "none", "Folder with one file per name, as Kubernetes mounts a Secret; read last, so it wins."),
];

/// Prefix of our own names.
pub(super) const PREFIX: &str = "KEYSTEAD_";
/// Section whose keys people choose themselves.
pub(super) const QUOTAS: &str = "quotas.";

/// `server.port` → `KEYSTEAD_SERVER__PORT`.
pub(super) fn section_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The setting behind a key; any `quotas.<name>` is described by the entry of the built-in quota.
pub fn of_key(key: &str) -> Option<&'static Setting> {
    let wanted = match key.strip_prefix(QUOTAS) {
        Some(name) if is_quota_name(name) => "quotas.tokens",
        _ => key,
    };
    SETTINGS.iter().find(|setting| setting.key == wanted)
}

/// The key behind a name of the environment, in either form.
pub(super) fn key_of(name: &str) -> Option<String> {
    if let Some(setting) = SETTINGS.iter().find(|s| s.conventional == Some(name) || s.section_name() == name) {
        return Some(setting.key.to_owned());
    }
    let quota = name.strip_prefix("KEYSTEAD_QUOTAS__").filter(|rest| !rest.ends_with("_FILE"))?.to_lowercase();
    is_quota_name(&quota).then(|| format!("{QUOTAS}{quota}"))
}

fn is_quota_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const MIB: u64 = 1024 * 1024;

macro_rules! settings {
    ($($key:literal $(as $name:literal)?, $accepts:expr $(, else $otherwise:literal)?, $doc:literal;)+) => {
        /// Every setting, in the order of the manual.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            key: $key,
            conventional: settings!(@name $($name)?),
            accepts: { use Accepts::*; $accepts },
            otherwise: settings!(@otherwise $($otherwise)?),
            doc: $doc,
        }),+];
    };
    (@name) => { None };
    (@name $name:literal) => { Some($name) };
    (@otherwise) => { "" };
    (@otherwise $otherwise:literal) => { $otherwise };
}

settings! {
    "env" as "KEYSTEAD_ENV", Environment, "Where this instance runs; `production` and `staging` refuse what is unsafe.";
    "data_dir" as "KEYSTEAD_DATA_DIR", Text, "Folder of the SQLite file, the generated development key, exports and backups; created with mode 0700.";
    "master_key" as "KEYSTEAD_MASTER_KEY", MasterKeys, else "generated once into the data folder in development", "The key that everything else is sealed and signed under. Losing it loses all personal data.";

    "server.host" as "HOST", Host, "Address the HTTP listener binds to.";
    "server.port" as "PORT", Number(0, 65_535), "Port of the HTTP listener; 0 lets the system choose one.";
    "server.ops_addr" as "KEYSTEAD_OPS_ADDR", Address, "Listener for metrics and health detail; never publish it. `off` closes it.";
    "server.public_url" as "KEYSTEAD_PUBLIC_URL", PublicUrl, else "http://localhost:<PORT>", "Where people reach this server: issuer of tokens, base of links, decides about cookies. https in production.";
    "server.cors_origins" as "CORS_ORIGINS", Origins, else "none: same origin only", "Origins that browsers may call the API from.";
    "server.trusted_proxies" as "TRUSTED_PROXIES", Proxies, else "none: forwarding headers are ignored", "Proxies whose forwarding headers are believed.";
    "server.request_timeout", Span(1, HOUR), "Longest a request may take as a whole.";
    "server.header_timeout", Span(1, 600), "Longest a client may take to send the request head.";
    "server.body_limit", Size(1024, 1024 * MIB), "Largest request body.";
    "server.max_in_flight", Number(1, 1_000_000), "Requests worked on at once; more are answered 503.";
    "server.max_connections", Number(1, 1_000_000), "Open connections; more wait to be accepted.";
    "server.shutdown_grace", Span(0, HOUR), "How long running requests may finish after SIGTERM.";
    "server.drain_delay", Span(0, HOUR), "How long to go on accepting after readiness turned 503, so that load balancers notice first.";
    "server.instances", Number(1, 10_000), "How many instances you run; more than one needs PostgreSQL and Redis.";
    "server.worker_threads", Number(0, 1024), "Threads of the async runtime; 0 = one per core.";

    "database.url" as "DATABASE_URL", DatabaseUrl, else "sqlite://<KEYSTEAD_DATA_DIR>/keystead.db", "The database. PostgreSQL needs TLS (`?sslmode=require`) in production unless it is on loopback.";
    "database.read_url" as "DATABASE_READ_URL", ReplicaUrl, else "none", "PostgreSQL read replica for read-only queries.";
    "database.max_connections", Number(2, 10_000), "PostgreSQL connections; with SQLite, readers.";
    "database.acquire_timeout", Span(1, 600), "Longest a request waits for a connection before it is answered 503.";

    "redis.url" as "REDIS_URL", RedisUrl, else "none: shared state lives in the process", "Redis for limits, tickets and fan-out between instances.";

    "mail.smtp_url" as "SMTP_URL", SmtpUrl, else "the mailbox page in development", "SMTP server, such as `smtp://user:pass@host:587?tls=required`.";
    "mail.from" as "MAIL_FROM", Mailbox, else "Keystead <no-reply@localhost> in development", "Sender of all mail.";

    "log.format" as "LOG_FORMAT", LogFormat, else "pretty in development, json otherwise", "Shape of log lines.";
    "log.filter" as "RUST_LOG", LogFilter, "What is logged, such as `info,keystead=debug`.";
    "log.sentry_dsn" as "SENTRY_DSN", SentryDsn, else "none", "Where errors are reported.";
    "log.otlp_endpoint" as "OTEL_EXPORTER_OTLP_ENDPOINT", WebUrl, else "none", "Where traces are sent (OTLP).";

    "accounts.require_verified_email", Flag, "New accounts confirm their address before they can sign in.";
    "accounts.restore_grace", Span(0, 3650 * DAY), "How long a deleted account can be restored before it is erased.";

    "passwords.argon2_memory_kib", Number(8, 4 * MIB), "Memory of one Argon2id hash, in KiB.";
    "passwords.argon2_iterations", Number(1, 1000), "Passes of Argon2id.";
    "passwords.argon2_parallelism", Number(1, 255), "Lanes of Argon2id.";
    "passwords.hash_threads", Number(0, 1024), "Threads that hash passwords; 0 = one per core.";
    "passwords.max_queue_wait", Span(1, 600), "A sign-in that would wait longer for a hashing thread is answered 503.";
    "passwords.min_length", Number(1, 1024), "Shortest password, in characters.";
    "passwords.require_upper", Flag, "Passwords need an upper-case letter.";
    "passwords.require_lower", Flag, "Passwords need a lower-case letter.";
    "passwords.require_digit", Flag, "Passwords need a digit.";
    "passwords.min_strength", Number(0, 4), "Least estimated strength (zxcvbn score).";
    "passwords.reset_ttl", Span(60, 30 * DAY), "Life of a reset link.";
    "passwords.verify_ttl", Span(60, 30 * DAY), "Life of a verification code.";

    "lockout.threshold", Number(1, 1_000_000), "Failed sign-ins that lock an address.";
    "lockout.duration", Span(1, 365 * DAY), "How long the lock holds.";

    "tokens.access_ttl", Span(10, DAY), "Life of an access token.";
    "tokens.refresh_ttl", Span(60, 3650 * DAY), "Life of a refresh token.";
    "tokens.reuse_window", Span(0, 600), "How long a just rotated refresh token still gets the same successor.";
    "tokens.staleness", Span(1, 600), "How long an instance may go on verifying tokens without hearing of ended sessions.";

    "sessions.idle_ttl", Span(60, 3650 * DAY), "A session unused for this long ends.";
    "sessions.absolute_ttl", Span(60, 3650 * DAY), "A session ends this long after sign-in, used or not.";

    "keys.rotate_every", SpanOrNever(HOUR, 3650 * DAY), "Age at which the key that signs tokens is replaced by itself.";

    "oauth.device_code_ttl", Span(60, HOUR), "How long the codes of a device that asks to be signed in are good.";
    "oauth.device_interval", Span(0, 60), "How long a device waits between two questions whether it was let in.";
    "oauth.backchannel_networks", Networks, else "none: the Internet alone", "Private networks in which clients are told that a session ended, besides the Internet.";

    "limits.enabled", Flag, "Rate limits as a whole.";
    "limits.global", Rate, "Callers who are not signed in, per address; static assets and health apart.";
    "limits.signed_in", Rate, "Signed-in callers, per user.";
    "limits.api_user", Rate, "Costly routes (exports, voice tokens, imports), per user.";
    "limits.ticket", Rate, "Making tickets for realtime connections and live transcripts, per user.";
    "limits.login", Rate, "Sign-in, per address.";
    "limits.signup", Rate, "Sign-up, per address.";
    "limits.password_forgot", Rate, "Asking for a reset link, per address and per account.";
    "limits.verify_resend", Rate, "Asking for the verification code again, per address and per account.";
    "limits.device_request", Rate, "Beginning the sign-in of a device, per address.";
    "limits.device_code", Rate, "Typing the code of a device, per person and per address.";
    "limits.voice_session", Rate, "Starting voice sessions, per address.";
    "limits.voice_token", Rate, "Asking for voice tokens, per address.";
    "limits.transcript", Rate, "Posting transcript segments, per address.";

    "quotas.tokens", Quota, "Units of the quota `tokens` per user and period. Any `KEYSTEAD_QUOTAS__<NAME>` declares another quota; `off` removes one.";

    "usage.time_zone", TimeZone, "Zone whose midnight ends a day of the quotas.";
    "usage.warn_percent", Number(1, 100), "Percent of a quota at which is warned, once per person and period.";
    "presence.heartbeat", Span(1, 600), "A realtime connection that is silent for two of these is closed.";
    "presence.resume_window", Span(0, HOUR), "How long a lost realtime connection may be resumed; until then others see it as there.";
    "presence.lease", Span(3, HOUR), "An instance that is not heard for so long is gone, and so are its realtime connections.";
    "presence.ticket_ttl", Span(1, 600), "Life of a ticket for a realtime connection.";
    "presence.max_connections", Number(0, 1_000_000), "Realtime connections of this instance; more are answered 503.";
    "presence.connections_per_user", Number(1, 1_000_000), "Realtime connections of one person to this instance.";
    "presence.connections_per_address", Number(1, 1_000_000), "Realtime connections of one address to this instance.";
    "presence.members_per_channel", Number(1, 1_000_000), "Connections that one channel may have, on all instances.";
    "presence.channels_per_connection", Number(1, 10_000), "Channels that one realtime connection may join.";
    "presence.messages_per_second", Number(1, 10_000), "Messages that a realtime connection may send per second, and all of a person together twice as many; twice as many at once.";
    "presence.frame_limit", Size(1024, MIB), "Longest message of a client.";
    "presence.send_buffer", Size(1024, 1024 * MIB), "Bytes that may wait for a client before its realtime connection is closed as too slow.";

    "privacy.policies", Policies, else "none: nothing is asked", "Current version of each policy people consent to, such as `privacy=2026-01,terms=2026-01`.";

    "retention.days", Number(1, 36_500), "Days after which finished data is deleted, for every kind without a value of its own.";
    "retention.sessions", Number(1, 36_500), else "KEYSTEAD_RETENTION__DAYS", "Days that ended sessions are kept.";
    "retention.transcripts", Number(1, 36_500), else "KEYSTEAD_RETENTION__DAYS", "Days that transcripts are kept.";
    "retention.transactions", Number(1, 36_500), else "KEYSTEAD_RETENTION__DAYS", "Days that a deleted transaction can still be restored.";
    "retention.audit", Number(1, 36_500), else "KEYSTEAD_RETENTION__DAYS", "Days that audit events are kept.";
    "retention.exports", Number(1, 36_500), else "KEYSTEAD_RETENTION__DAYS", "Days that finished exports are kept.";
    "retention.quotas", Number(1, 36_500), else "KEYSTEAD_RETENTION__DAYS", "Days that the history of quotas is kept.";
    "retention.unverified_accounts", Number(1, 36_500), else "KEYSTEAD_RETENTION__DAYS", "Days that accounts which never confirmed their address are kept.";

    "exports.file_ttl", Span(60, 30 * DAY), "How long the file of an export can be fetched; then it is deleted.";
    "exports.bytes_per_person", Size(MIB, 1024 * 1024 * MIB), "What all export files of one person may take; an order that grows beyond fails.";

    "voice.livekit_url", SocketUrl, else "none: no voice tokens", "LiveKit server that clients connect to.";
    "voice.livekit_api_key", Text, else "none", "API key of LiveKit; issuer of the tokens.";
    "voice.livekit_api_secret", Secret, else "none", "API secret of LiveKit; signs the tokens.";
    "voice.turn_urls", TurnUrls, else "none", "TURN and STUN servers handed to clients.";
    "voice.turn_secret", Secret, else "none", "Shared secret of the TURN server (coturn `use-auth-secret`).";
    "voice.token_ttl", Span(10, DAY), "Life of a voice token.";
    "voice.idle_ttl", Span(60, DAY), "A voice session unused for this long expires.";

    "transactions.ledger_limit", Number(1, 1_000_000_000), "Transactions that are kept for one person at most, deleted ones that can still be restored among them.";

    "transcripts.grace", Span(0, HOUR), "How long after the end of a voice session late segments of its transcript are accepted.";
    "transcripts.listeners", Number(1, 1_000), "Live streams of transcripts that one person has open on one instance at most.";
    "transcripts.buffer", Number(8, 65_536), "Changes of a transcript that an instance keeps at hand for its listeners; who is further behind reads from the database.";
    "transcripts.segment_limit", Number(1, 100_000_000), "Segments of one voice session at most.";
    "transcripts.size_limit", Size(1024, 1024 * 1024 * MIB), "Size of what was said in one voice session at most, as it is stored.";

    "dev.clock", Flag, "Adds `POST /dev/clock`, which moves the whole instance through time. Development only.";
}
