//! A fresh, migrated database for every test, at the price of a copy.
//!
//! The first test of a run migrates a template: an instance is started on an empty store and stopped.
//! Every other test copies it: on SQLite the data folder, on PostgreSQL with `CREATE DATABASE … TEMPLATE`.
//! The template's name holds the identity of the test binary, so a changed server never meets an old one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keystead::app::{self, Seed};
use keystead::config::{Settings, Sources};
use tempfile::TempDir;

/// The makes of the store that Keystead runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Embedded: SQLite, shared state inside the process.
    Sqlite,
    /// Grown: PostgreSQL, shared state in Redis.
    Postgres,
}

/// What the instances of one test stand on: a data folder, a database, a Redis. Removed at the end.
pub struct Ground {
    /// Which make.
    pub store: Store,
    folder: TempDir,
    database: Option<Database>,
    redis_url: Option<String>,
}

/// A PostgreSQL database that is dropped with this value.
struct Database {
    admin_url: String,
    name: String,
}

impl Ground {
    /// A store with the current schema and nothing in it.
    pub async fn migrated(store: Store) -> Self {
        match store {
            Store::Sqlite => {
                let ground = Self::on(store, None, None);
                copy_files(&sqlite_template().await, ground.data_dir());
                ground
            }
            Store::Postgres => {
                let admin_url = required("KEYSTEAD_TEST_POSTGRES");
                let template = postgres_template(&admin_url).await;
                let database = Database { name: unique_name(), admin_url };
                let sql = format!("CREATE DATABASE {} TEMPLATE {template}", database.name);
                unhindered(&admin(&database.admin_url).await, &sql).await;
                Self::on(store, Some(database), Some(own_redis().await))
            }
        }
    }

    /// A store without any table, for tests of the migrations.
    pub async fn empty(store: Store) -> Self {
        match store {
            Store::Sqlite => Self::on(store, None, None),
            Store::Postgres => {
                let database = Database { name: unique_name(), admin_url: required("KEYSTEAD_TEST_POSTGRES") };
                unhindered(&admin(&database.admin_url).await, &format!("CREATE DATABASE {}", database.name)).await;
                Self::on(store, Some(database), Some(own_redis().await))
            }
        }
    }

    fn on(store: Store, database: Option<Database>, redis_url: Option<String>) -> Self {
        Self { store, folder: tempfile::tempdir().expect("a temporary folder"), database, redis_url }
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The `DATABASE_URL` of this store.
    pub fn database_url(&self) -> String {
        match &self.database {
            None => format!("sqlite://{}", self.data_dir().join("keystead.db").display()),
            Some(database) => database.url(),
        }
    }

    /// The `REDIS_URL` of this store: a logical database of its own, empty at the start.
    pub fn redis_url(&self) -> Option<&str> {
        self.redis_url.as_deref()
    }

    /// The environment that makes an instance stand on this ground; tests change it where they care.
    pub fn environment(&self) -> BTreeMap<String, String> {
        // Cheap hashing, and limits so wide that only a test that sets one meets it.
        let mut env: BTreeMap<String, String> = [
            ("KEYSTEAD_ENV", "development"),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("KEYSTEAD_PUBLIC_URL", "http://localhost:8080"),
            ("KEYSTEAD_OPS_ADDR", "127.0.0.1:0"),
            ("KEYSTEAD_MASTER_KEY", "a2V5c3RlYWQtdGVzdC1tYXN0ZXIta2V5LTMyLWJ5dGU="),
            ("KEYSTEAD_PASSWORDS__ARGON2_MEMORY_KIB", "64"),
            ("KEYSTEAD_PASSWORDS__ARGON2_ITERATIONS", "1"),
            ("KEYSTEAD_DATABASE__MAX_CONNECTIONS", "8"),
            // A test that moves the clock by months does not mean the keys.
            ("KEYSTEAD_KEYS__ROTATE_EVERY", "0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for limit in ["GLOBAL", "SIGNED_IN", "API_USER", "LOGIN", "SIGNUP", "PASSWORD_FORGOT", "VERIFY_RESEND"] {
            env.insert(format!("KEYSTEAD_LIMITS__{limit}"), "1000000/1m".into());
        }
        for limit in ["DEVICE_REQUEST", "DEVICE_CODE", "TICKET", "VOICE_SESSION", "VOICE_TOKEN", "TRANSCRIPT"] {
            env.insert(format!("KEYSTEAD_LIMITS__{limit}"), "1000000/1m".into());
        }
        env.insert("KEYSTEAD_DATA_DIR".into(), self.data_dir().display().to_string());
        env.insert("DATABASE_URL".into(), self.database_url());
        if let Some(url) = &self.redis_url {
            env.insert("REDIS_URL".into(), url.clone());
        }
        env
    }
}

impl Database {
    fn url(&self) -> String {
        let mut url = url::Url::parse(&self.admin_url).expect("KEYSTEAD_TEST_POSTGRES is a URL");
        url.set_path(&self.name);
        url.into()
    }
}

impl Drop for Database {
    /// Best effort: the throwaway server is removed in a minute anyway, but its disk is not endless.
    fn drop(&mut self) {
        let (admin_url, sql) = (self.admin_url.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let work = async move { admin(&admin_url).await.batch_execute(&sql).await.ok() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // On a thread of its own, because a runtime must not be entered from within another one.
        let _ = std::thread::spawn(move || runtime.map(|runtime| runtime.block_on(work))).join();
    }
}

/// An instance is started on the empty store and stopped: what is left is the template.
async fn migrate(ground: &Ground) {
    let sources = Sources { env: ground.environment(), dir: ground.data_dir().to_owned() };
    let settings = Settings::load(&sources).unwrap_or_else(|faults| panic!("the settings of the tests: {faults:?}"));
    let seed = Seed::system();
    let running = app::start(settings, seed).await.unwrap_or_else(|error| panic!("migrating the template: {error:?}"));
    running.stop().await.unwrap_or_else(|error| panic!("stopping after the migration: {error:?}"));
}

async fn sqlite_template() -> PathBuf {
    let templates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sqlite-templates");
    let template = templates.join(binary_identity());
    if !template.is_dir() {
        std::fs::create_dir_all(&templates).expect("a folder for templates");
        remove_stale(&templates);
        let ground = Ground::empty(Store::Sqlite).await;
        migrate(&ground).await;
        let draft = tempfile::tempdir_in(&templates).expect("a temporary folder").keep();
        copy_files(ground.data_dir(), &draft);
        // Atomic. Where another process was quicker, its template stays.
        if std::fs::rename(&draft, &template).is_err() {
            let _ = std::fs::remove_dir_all(&draft);
        }
    }
    template
}

/// Templates of binaries that were built an hour ago or earlier.
fn remove_stale(templates: &Path) {
    for entry in std::fs::read_dir(templates).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if age > Some(Duration::from_secs(3600)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

async fn postgres_template(admin_url: &str) -> String {
    let name = format!("keystead_template_{}", binary_identity());
    let client = admin(admin_url).await;
    // Tests run in many processes: one of them makes the template, the others wait here. The lock ends with the connection.
    client.batch_execute("SELECT pg_advisory_lock(4711)").await.expect("an advisory lock");
    let found = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await;
    if found.expect("a list of databases").is_none() {
        let draft = Ground::empty(Store::Postgres).await;
        migrate(&draft).await;
        let made = &draft.database.as_ref().expect("PostgreSQL has a database").name;
        unhindered(&client, &format!("ALTER DATABASE {made} RENAME TO {name}")).await;
    }
    name
}

/// Runs a statement that needs a database nobody is connected to, as soon as that is so.
async fn unhindered(client: &tokio_postgres::Client, sql: &str) {
    super::eventually(sql, async || match client.batch_execute(sql).await {
        Ok(()) => Some(()),
        Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::OBJECT_IN_USE) => None,
        Err(error) => panic!("{sql}: {error:?}"),
    })
    .await;
}

async fn admin(url: &str) -> tokio_postgres::Client {
    let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap_or_else(|error| panic!("KEYSTEAD_TEST_POSTGRES={url} does not answer: {error}"));
    tokio::spawn(connection);
    client
}

/// Redis has numbered databases; a counter in number 0 hands out the others.
async fn own_redis() -> String {
    let url = required("KEYSTEAD_TEST_REDIS");
    let client = redis::Client::open(url.as_str()).expect("KEYSTEAD_TEST_REDIS is a URL");
    let connected = client.get_multiplexed_async_connection().await;
    let mut redis = connected.unwrap_or_else(|error| panic!("KEYSTEAD_TEST_REDIS={url} does not answer: {error}"));
    let (_, databases): (String, u64) = redis::cmd("CONFIG").arg(&["GET", "databases"]).query_async(&mut redis).await.expect("CONFIG GET");
    let count: u64 = redis::cmd("INCR").arg("keystead:test:databases").query_async(&mut redis).await.expect("INCR");
    let number = 1 + count % (databases - 1);
    let fresh = redis::pipe().cmd("SELECT").arg(number).cmd("FLUSHDB").exec_async(&mut redis).await;
    fresh.expect("an empty Redis database");
    format!("{}/{number}", url.trim_end_matches('/'))
}

/// When and how large the test binary was built: a new one gets new templates.
fn binary_identity() -> String {
    let meta = std::env::current_exe().and_then(std::fs::metadata).expect("the test binary is a file");
    let built = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{:x}_{:x}", built.as_nanos(), meta.len())
}

/// Unique among all processes that share the server.
#[expect(clippy::disallowed_methods, reason = "a name, not a time that a test could depend on")]
fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    format!("keystead_{:x}_{:x}_{:x}", std::process::id(), now, COUNT.fetch_add(1, Ordering::Relaxed))
}

fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set. Run the tests with `cargo nextest run` or `scripts/with-services cargo test`: both start what is needed."
        )
    })
}

/// The files of a folder, without what lies in folders below it (backups, exports).
fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a readable folder").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy of a file");
        }
    }
}

/// The database of `ground` without a server on top, for tests of the floor.
pub fn database(ground: &Ground, which: keystead::db::Store) -> keystead::db::Db {
    let settings = keystead::config::Database {
        url: ground.database_url().into(),
        read_url: None,
        max_connections: 8,
        acquire_timeout: Duration::from_secs(5),
    };
    keystead::db::Db::open(&settings, which).expect("a fresh database opens")
}
