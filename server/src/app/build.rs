//! Opening an instance: the floor from the ground up, then the state of the slices.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use super::{App, Parts};
use crate::accounts::{Lifecycle, People};
use crate::admin;
use crate::config::Settings;
use crate::db::{Db, DbError, Store};
use crate::exports::Exports;
use crate::flags::Flags;
use crate::ground::{self, Ground};
use crate::http::{Csrf, Limiter};
use crate::jobs::Jobs;
use crate::mail::{Branding, Mailbox, Mailer};
use crate::oauth::OAuth;
use crate::passwords::Attempts;
use crate::presence::{self, Presence};
use crate::roles::Roles;
use crate::secret::{Argon2Cost, Keyring, PasswordPool, Random, RootKeys, SealError, Signer};
use crate::sessions::Sessions;
use crate::shared::{News, Patience, Shared};
use crate::time::Clock;
use crate::tokens::Tokens;
use crate::transcripts::Transcripts;
use crate::voice::Voice;

const SMTP_TIMEOUT: Duration = Duration::from_secs(10);

/// What an instance takes from the world; tests give their own.
#[derive(Clone)]
pub struct Seed {
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// How long a request waits for Redis.
    pub patience: Patience,
}

impl Seed {
    /// The machine's clock and randomness, and the patience of a server in service.
    pub fn system() -> Self {
        Self { clock: Clock::system(), random: Random::system(), patience: Patience::default() }
    }
}

/// Why an instance did not start; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error("the database cannot be used: {0}")]
    Database(DbError),
    /// The keyring.
    #[error("{}", keyring_says(.0))]
    Keyring(SealError),
    /// Redis.
    #[error("{0}")]
    Shared(#[from] crate::shared::SharedError),
    /// Mail.
    #[error("mail cannot be sent with these settings: {0}")]
    Mail(String),
    /// The address.
    #[error("cannot listen on {address}: {cause}; is another program using it? Choose another with {settings}")]
    Bind {
        /// What was asked for.
        address: String,
        /// What the system said.
        cause: std::io::Error,
        /// The settings that say where to listen.
        settings: &'static str,
    },
    /// The log.
    #[error("RUST_LOG cannot be read: {0}")]
    Log(String),
    /// Anything else of the operating system.
    #[error("the operating system refused: {0}")]
    Io(std::io::Error),
}

fn keyring_says(error: &SealError) -> String {
    match error {
        SealError::UnknownKey | SealError::Altered => "the configured master key is not the one that this data was sealed with; \
            set KEYSTEAD_MASTER_KEY to the key (or list of keys) that belongs to this database"
            .to_owned(),
        other => format!("the keyring cannot be opened: {other}"),
    }
}

impl App {
    /// Opens the stores, brings them to this version's schema and makes an instance that does not serve yet.
    pub async fn open(settings: Settings, seed: Seed) -> Result<Self, StartError> {
        let Seed { clock, random, patience } = seed;
        let (db, vault) = open_stores(&settings, &clock).await?;
        let roots = RootKeys::new(&settings.master_keys);
        let keyring = Keyring::open(vault.clone(), roots.clone(), random.clone(), clock.clone()).await.map_err(StartError::Keyring)?;
        let access_ttl = settings.tokens.longest();
        let signer =
            Signer::open(db.clone(), roots.clone(), random.clone(), clock.clone(), access_ttl).await.map_err(StartError::Keyring)?;
        let news = News { topics: super::TOPICS, bulk: super::BULK_TOPICS, roots: roots.clone() };
        let shared = match &settings.redis_url {
            Some(url) => Shared::redis_with(url.expose_secret(), clock.clone(), news, patience).await?,
            None => match db.exchange() {
                Some(exchange) => Shared::over_database(exchange, clock.clone(), news),
                None => Shared::in_process(clock.clone()),
            },
        };
        let passwords = &settings.passwords;
        let cost = Argon2Cost {
            memory_kib: passwords.argon2_memory_kib,
            iterations: passwords.argon2_iterations,
            parallelism: passwords.argon2_parallelism,
        };
        let password_pool = PasswordPool::start(cost, hash_threads(&settings), passwords.max_queue_wait, random.clone());
        let jobs = Jobs::new(db.clone(), roots.clone(), random.clone(), clock.clone());
        let mailer = mailer(&settings, &db, &roots, &clock)?;
        let limiter = Limiter::new(shared.clone(), settings.limits);
        let csrf = Csrf::new(roots.clone(), &settings.cors_origins, settings.public_url());
        let parts =
            ground::Parts { settings, clock, random, db, vault, keyring, roots, signer, password_pool, shared, jobs, limiter, csrf };
        let ground = Ground::new(parts);
        let people = People::new(ground.clone());
        let roles = Roles::new(ground.clone());
        roles.reload().await.map_err(StartError::Database)?;
        let oauth = OAuth::new(ground.clone());
        let (announcer, announcements) = presence::announcements();
        let voice = Voice::new(ground.clone(), announcer);
        let sessions = Sessions::new(ground.clone(), people.clone(), roles.clone(), super::sessions_ended(&oauth, &voice));
        let tokens = Tokens::new(ground.clone());
        let lifecycle = Lifecycle::new(ground.clone(), people.clone(), super::access_lost(&sessions, &tokens, &voice), super::emptied());
        let flags = Flags::new(ground.clone());
        let transcripts = Transcripts::new(ground.clone());
        let channels = super::realtime_channels(&voice, &transcripts);
        let presence = Presence::new(ground.clone(), sessions.clone(), flags.clone(), channels, announcements);
        let parts = Parts {
            ground,
            people,
            roles,
            sessions,
            tokens,
            oauth,
            lifecycle,
            attempts: Attempts::default(),
            exports: Exports::new(super::export_kinds()),
            flags,
            transcripts,
            presence,
            mailer,
            stats: admin::Stats::default(),
        };
        Ok(Self(Arc::new(parts)))
    }

    /// Closes what was opened.
    pub async fn close(&self) {
        self.mailer.close().await;
        self.ground.shared.close().await;
        self.ground.db.close().await;
        self.ground.vault.close().await;
    }
}

async fn open_stores(settings: &Settings, clock: &Clock) -> Result<(Db, Db), StartError> {
    let (db, vault) = open_databases(settings)?;
    let now = clock.now();
    for store in [&db, &vault] {
        let applied = store.migrate(now).await.map_err(StartError::Database)?;
        if !applied.steps.is_empty() {
            tracing::info!(steps = ?applied.steps, "the database was brought to this version's schema");
        }
        if applied.newer {
            tracing::warn!("the database has a newer schema than this version knows; serving it as it is");
        }
    }
    Ok((db, vault))
}

/// The two stores, as they are.
pub fn open_databases(settings: &Settings) -> Result<(Db, Db), StartError> {
    let open = |store| Db::open(&settings.database, store).map_err(StartError::Database);
    Ok((open(Store::Main)?, open(Store::Keyring)?))
}

fn hash_threads(settings: &Settings) -> usize {
    match settings.passwords.hash_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        chosen => chosen,
    }
}

fn mailer(settings: &Settings, db: &Db, roots: &RootKeys, clock: &Clock) -> Result<Mailer, StartError> {
    let branding = Branding::new(settings.public_url());
    let mail = &settings.mail;
    let made = match &mail.smtp_url {
        Some(url) => Mailer::smtp(url, &mail.from, branding, clock.clone(), SMTP_TIMEOUT),
        None => Mailer::development(Mailbox::new(db.clone(), roots.clone()), &mail.from, branding, clock.clone()),
    };
    made.map_err(|error| StartError::Mail(error.to_string()))
}

/// Listens on `host`, a name or an address, as `settings` say.
pub(super) async fn bind(host: &str, port: u16, settings: &'static str) -> Result<TcpListener, StartError> {
    let refuse = |cause| StartError::Bind { address: format!("{host}:{port}"), cause, settings };
    let wanted = (host.to_owned(), port);
    let addresses = tokio::task::spawn_blocking(move || wanted.to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>)).await;
    let addresses = addresses.map_err(|error| StartError::Io(std::io::Error::other(error)))?.map_err(refuse)?;
    let address = addresses.first().ok_or_else(|| refuse(std::io::ErrorKind::AddrNotAvailable.into()))?;
    crate::http::bind(*address).map_err(refuse)
}
