//! Settings: from the layers people write them in to one validated value that the rest of the program reads.
//!
//! [`Settings::load`] gathers the layers (`sources`; later wins): the embedded `defaults.toml`, `keystead.toml`,
//! `.env`, `.env.local`, the environment, `NAME_FILE`, the secrets folder. [`names`] is the table of every setting
//! and the only place where a name is spelled; `parse`, `network`, `urls` and `keys` read single values; `check`
//! holds the rules that look at several at once, above all what production refuses. Whatever is wrong is collected
//! as [`Fault`]s and reported together, so nobody mends a configuration one restart at a time.
//!
//! Loading reads the named files and nothing else: no environment, no clock, nothing is created. What has to exist
//! before the server runs (the data folder, the development key) is made by [`Settings::ensure_data_dir`].
//! No secret leaves through `Debug`, a fault or a warning.

mod accounts;
mod check;
mod dev_key;
mod dotenv;
mod exports;
mod fault;
mod hints;
mod keys;
mod limits;
mod log;
mod mail;
pub mod names;
mod network;
mod oauth;
mod parse;
mod presence;
mod privacy;
pub mod release;
mod server;
mod sources;
mod storage;
mod transactions;
mod transcripts;
mod unknown;
mod urls;
mod values;
mod voice;

use std::path::PathBuf;

use secrecy::SecretString;

pub use accounts::{Accounts, IMPERSONATION_MAX, Keys, Lockout, Passwords, Sessions, Tokens};
pub use exports::Exports;
pub use fault::{Fault, Faults};
pub use hints::Hint;
pub use keys::MasterKey;
pub use limits::{Limits, Quota, Quotas, UNITS_MAX, Usage};
pub use log::{Log, LogFormat};
pub use mail::Mail;
pub use network::TrustedProxies;
pub use oauth::OAuth;
pub use presence::Presence;
pub use privacy::{Privacy, Retention};
pub use server::Server;
pub use sources::Sources;
pub use storage::Database;
pub use transactions::Transactions;
pub use transcripts::Transcripts;
pub use voice::Voice;

use values::Values;

/// The configuration manual: every setting with its default and its meaning. It is also the lowest layer.
pub const DEFAULTS: &str = include_str!("../../defaults.toml");

/// Where this instance runs; decides which settings are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Everything starts without being configured; mail is shown in a mailbox page.
    Development,
    /// The rules of production, except that the public URL may be plain http on loopback.
    Staging,
    /// Refuses whatever would be unsafe in front of people.
    Production,
}

impl Environment {
    /// The word people write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Every setting, validated. One small struct per concern; secrets are wrapped and do not print.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where this instance runs (`KEYSTEAD_ENV`).
    pub env: Environment,
    /// Listeners, public address and what one request may cost.
    pub server: Server,
    /// Absolute path of the data folder (`KEYSTEAD_DATA_DIR`).
    pub data_dir: PathBuf,
    /// The database and its read replica.
    pub database: Database,
    /// Redis in its single, cluster or sentinel form; without it one instance only.
    pub redis_url: Option<SecretString>,
    /// Current first. Empty in development until [`Settings::ensure_data_dir`] ran.
    pub master_keys: Vec<MasterKey>,
    /// Outgoing mail.
    pub mail: Mail,
    /// Origins that browsers may call from, as they appear in the `Origin` header; `*` only in development.
    pub cors_origins: Vec<String>,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Logs, traces, error reports.
    pub log: Log,
    /// Accounts as a whole.
    pub accounts: Accounts,
    /// Password hashing and policy.
    pub passwords: Passwords,
    /// When failed sign-ins lock an address.
    pub lockout: Lockout,
    /// Lifetimes of tokens.
    pub tokens: Tokens,
    /// Lifetimes of sessions.
    pub sessions: Sessions,
    /// The keys that sign tokens.
    pub keys: Keys,
    /// The OAuth provider.
    pub oauth: OAuth,
    /// Rate limits.
    pub limits: Limits,
    /// Named usage quotas.
    pub quotas: Quotas,
    /// How they are counted.
    pub usage: Usage,
    /// Realtime connections.
    pub presence: Presence,
    /// Policies and retention.
    pub privacy: Privacy,
    /// Files of their data that people order.
    pub exports: Exports,
    /// LiveKit and TURN.
    pub voice: Voice,
    /// What people write down of their money.
    pub transactions: Transactions,
    /// The relay of transcripts.
    pub transcripts: Transcripts,
    /// The movable test clock (`KEYSTEAD_DEV__CLOCK`); development only.
    pub dev_clock: bool,
}

impl Settings {
    /// Reads all layers and checks them.
    ///
    /// # Errors
    /// Every fault there is, at once.
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let (mut values, mut faults) = sources::gather(sources);
        faults.extend(values.set_wrong_ones_aside());
        match Self::build(&values, sources) {
            Ok(settings) => {
                faults.extend(check::refusals(&settings, &values));
                if faults.is_empty() { Ok(settings) } else { Err(Faults(faults)) }
            }
            Err(fault) => {
                faults.push(fault);
                Err(Faults(faults))
            }
        }
    }

    fn build(values: &Values, sources: &Sources) -> Result<Self, Fault> {
        let data_dir = storage::absolute(&sources.dir, &values.get("data_dir", parse::text)?);
        let env = values.get("env", parse::environment)?;
        Ok(Self {
            env,
            server: Server::from(values)?,
            database: Database::from(values, &sources.dir, &data_dir)?,
            data_dir,
            redis_url: values.secret("redis.url")?,
            master_keys: values.optional("master_key", keys::master_keys)?.unwrap_or_default(),
            mail: Mail::from(values)?,
            cors_origins: values.optional("server.cors_origins", network::origins)?.unwrap_or_default(),
            trusted_proxies: values.optional("server.trusted_proxies", network::proxies)?.unwrap_or(TrustedProxies::None),
            log: Log::from(values, env)?,
            accounts: Accounts::from(values)?,
            passwords: Passwords::from(values)?,
            lockout: Lockout::from(values)?,
            tokens: Tokens::from(values)?,
            sessions: Sessions::from(values)?,
            keys: Keys::from(values)?,
            oauth: OAuth::from(values)?,
            limits: Limits::from(values)?,
            quotas: Quotas::from(values)?,
            usage: Usage::from(values)?,
            presence: Presence::from(values)?,
            privacy: Privacy::from(values)?,
            exports: Exports::from(values)?,
            voice: Voice::from(values)?,
            transactions: Transactions::from(values)?,
            transcripts: Transcripts::from(values)?,
            dev_clock: values.get("dev.clock", parse::flag)?,
        })
    }

    /// What is accepted and still worth a second look; `config check` and the start of the server show it.
    pub fn warnings(&self) -> Vec<Fault> {
        check::warnings(self)
    }

    /// What is off for want of a setting, and how to turn it on; `config check` shows it.
    pub fn hints(&self) -> Vec<Hint> {
        hints::hints(self)
    }

    /// Whether this is a development instance.
    pub fn is_development(&self) -> bool {
        self.env == Environment::Development
    }

    /// The issuer and base of links, without trailing slash.
    pub fn public_url(&self) -> &str {
        &self.server.public_url
    }

    /// Cookies are Secure and `__Host-` prefixed exactly when the public URL is https.
    pub fn is_https(&self) -> bool {
        self.server.public_url.starts_with("https://")
    }
}
