//! Rules that look at several settings at once: what never fits together, and what production refuses.
//!
//! Staging keeps the rules of production, with one exception: its public URL may be plain http on loopback, so that
//! a production-like instance can be tried on one machine. A setting whose value was already reported as wrong is
//! not reported a second time as missing.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::fault::Fault;
use super::urls::Store;
use super::values::{Given, Values};
use super::{Environment, Settings, TrustedProxies, keys, names, network, urls};
use crate::secret::password::{Argon2Cost, is_bearable};

/// Shortest secret accepted outside development, in bytes.
const SHORTEST_SECRET: usize = 32;

/// Everything that forbids the start.
pub(super) fn refusals(settings: &Settings, values: &Values) -> Vec<Fault> {
    let mut rules = Rules { settings, values, faults: Vec::new() };
    rules.lifetimes();
    rules.listeners();
    rules.instances();
    rules.replica();
    rules.argon2();
    rules.voice();
    if settings.env != Environment::Development {
        rules.keys();
        rules.public_url();
        rules.cors();
        rules.mail();
        rules.database_tls();
        rules.short_secrets();
        rules.open_data_dir();
        rules.open_secret_files();
        rules.dev_clock();
    }
    rules.faults
}

struct Rules<'a> {
    settings: &'a Settings,
    values: &'a Values,
    faults: Vec<Fault>,
}

impl Rules<'_> {
    /// Reports `key` under the name it was written with, or its usual one; silent when it is reported already.
    fn refuse(&mut self, key: &str, problem: impl Into<String>, mend: impl Into<String>) {
        if self.values.was_set_aside(key) {
            return;
        }
        let fault = match self.values.given(key) {
            Some(Given { name, layer, .. }) => Fault::new(name, layer, problem, mend),
            None => Fault::missing(name_of(key), problem, mend),
        };
        self.faults.push(fault);
    }

    fn env(&self) -> &'static str {
        self.settings.env.as_str()
    }

    fn lifetimes(&mut self) {
        let (tokens, sessions) = (self.settings.tokens, self.settings.sessions);
        if tokens.refresh_ttl <= tokens.access_ttl {
            self.refuse(
                "tokens.refresh_ttl",
                "is not longer than the access token's life",
                "make it longer than KEYSTEAD_TOKENS__ACCESS_TTL",
            );
        }
        if sessions.absolute_ttl < sessions.idle_ttl {
            self.refuse("sessions.absolute_ttl", "is shorter than the idle life", "make it at least KEYSTEAD_SESSIONS__IDLE_TTL");
        }
    }

    fn listeners(&mut self) {
        let server = &self.settings.server;
        let Some(ops) = server.ops_addr else { return };
        let same_host =
            server.host.parse().is_ok_and(|host: std::net::IpAddr| host == ops.ip() || host.is_unspecified() || ops.ip().is_unspecified());
        if same_host && server.port == ops.port() && server.port != 0 {
            self.refuse(
                "server.ops_addr",
                "is the same port as the public listener",
                "use another port, such as `127.0.0.1:9464`, or `off`",
            );
        }
    }

    fn instances(&mut self) {
        let server = &self.settings.server;
        if server.instances <= 1 {
            return;
        }
        let count = server.instances;
        if is_sqlite(self.settings) {
            self.refuse(
                "database.url",
                format!("is SQLite, and {count} instances cannot share it"),
                "set a `postgres://` URL, or KEYSTEAD_SERVER__INSTANCES=1",
            );
        }
        if self.settings.redis_url.is_none() {
            self.refuse(
                "redis.url",
                format!("is missing, and {count} instances need it for what they share"),
                "set REDIS_URL, or KEYSTEAD_SERVER__INSTANCES=1",
            );
        }
    }

    fn replica(&mut self) {
        if self.settings.database.read_url.is_some() && is_sqlite(self.settings) && !self.values.was_set_aside("database.url") {
            self.refuse(
                "database.read_url",
                "is set, but the database is SQLite",
                "remove it, or set DATABASE_URL to the PostgreSQL primary",
            );
        }
    }

    fn argon2(&mut self) {
        let passwords = &self.settings.passwords;
        let least = passwords.argon2_parallelism.saturating_mul(8);
        if passwords.argon2_memory_kib < least {
            let problem = format!("is less than Argon2 needs for {} lanes", passwords.argon2_parallelism);
            self.refuse("passwords.argon2_memory_kib", problem, format!("use at least {least} (8 KiB per lane)"));
        }
        let cost = Argon2Cost {
            memory_kib: passwords.argon2_memory_kib,
            iterations: passwords.argon2_iterations,
            parallelism: passwords.argon2_parallelism,
        };
        if !is_bearable(cost) {
            self.refuse(
                "passwords.argon2_memory_kib",
                "asks for hashes that cost more than is ever verified",
                "use at most 262144 KiB and 16 lanes, and no more than 1048576 KiB times iterations",
            );
        }
    }

    fn voice(&mut self) {
        let voice = &self.settings.voice;
        let parts = [
            ("voice.livekit_url", voice.livekit_url.is_some()),
            ("voice.livekit_api_key", voice.livekit_api_key.is_some()),
            ("voice.livekit_api_secret", voice.livekit_api_secret.is_some()),
        ];
        let turn = [("voice.turn_urls", voice.turn_urls.is_some()), ("voice.turn_secret", voice.turn_secret.is_some())];
        self.all_or_none(&parts, "voice tokens need the URL, the API key and the API secret of LiveKit");
        // STUN servers take no credentials, so a list of those alone needs no secret.
        let only_stun = voice.turn_urls.as_ref().is_some_and(|urls| urls.iter().all(|uri| uri.starts_with("stun")));
        if !only_stun {
            self.all_or_none(&turn, "TURN credentials need the URIs and the shared secret");
        }
    }

    fn all_or_none(&mut self, parts: &[(&str, bool)], why: &str) {
        if parts.iter().any(|(_, is_set)| *is_set) {
            for (key, _) in parts.iter().filter(|(_, is_set)| !is_set) {
                self.refuse(key, format!("is missing; {why}"), "set it too, or remove the others");
            }
        }
    }

    fn keys(&mut self) {
        const MEND: &str = "generate one with `openssl rand -base64 32` and keep a copy in a safe place: without it the data is lost";
        let keys = &self.settings.master_keys;
        if keys.is_empty() {
            self.refuse("master_key", format!("is missing; {} generates none", self.env()), MEND);
        }
        if keys.iter().any(|key| keys::is_weak(&key.key)) {
            self.refuse("master_key", "holds a key that was not drawn at random", MEND);
        }
    }

    fn public_url(&mut self) {
        if self.settings.is_https() {
            return;
        }
        let on_loopback = Url::parse(self.settings.public_url()).is_ok_and(|url| network::url_is_loopback(&url));
        if self.settings.env == Environment::Staging && on_loopback && self.values.given("server.public_url").is_some() {
            return;
        }
        let problem = format!("is plain http, and {} serves people over https only", self.env());
        self.refuse("server.public_url", problem, "set the https address that people use; TLS may end at a proxy in front");
    }

    fn cors(&mut self) {
        if self.settings.cors_origins.iter().any(|origin| origin == "*") {
            self.refuse(
                "server.cors_origins",
                "allows every site to call with the user's session",
                "list the origins of your own applications",
            );
        }
    }

    fn mail(&mut self) {
        if self.settings.mail.smtp_url.is_none() {
            let problem = format!("is missing; there is no mailbox page in {}", self.env());
            self.refuse("mail.smtp_url", problem, "set it, such as `smtp://user:password@host:587?tls=required`");
        }
        if self.values.given("mail.from").is_none() {
            self.refuse("mail.from", "is missing; mail needs a sender", "set it, such as `Acme <no-reply@example.com>`");
        }
    }

    fn database_tls(&mut self) {
        let database = &self.settings.database;
        for (key, url) in [("database.url", Some(&database.url)), ("database.read_url", database.read_url.as_ref())] {
            let Some(Ok(Store::Postgres(postgres))) = url.map(|url| urls::database(url.expose_secret())) else { continue };
            if !postgres.requires_tls && !postgres.is_loopback {
                let problem = "may talk to PostgreSQL in the clear, over the network";
                self.refuse(key, problem, "append `?sslmode=require`; the certificate and the name are verified");
            }
        }
    }

    fn short_secrets(&mut self) {
        let voice = &self.settings.voice;
        for (key, secret) in [("voice.livekit_api_secret", &voice.livekit_api_secret), ("voice.turn_secret", &voice.turn_secret)] {
            if let Some(length) = secret.as_ref().map(|secret| secret.expose_secret().len()).filter(|length| *length < SHORTEST_SECRET) {
                let problem = format!("is {length} bytes long; {} takes secrets of at least {SHORTEST_SECRET}", self.env());
                self.refuse(key, problem, "generate one with `openssl rand -base64 32` and set it on the other side too");
            }
        }
    }

    fn open_data_dir(&mut self) {
        if let Some(mode) = mode(&self.settings.data_dir).filter(|mode| mode & 0o077 != 0) {
            let path = self.settings.data_dir.display();
            let problem = format!("{path} is open to other users (mode {mode:03o})");
            self.refuse("data_dir", problem, format!("run `chmod 700 {path}`, or name a folder inside it, which Keystead creates closed"));
        }
    }

    fn open_secret_files(&mut self) {
        let open: Vec<(String, String)> = self
            .values
            .all_given()
            .filter(|(key, _)| names::of_key(key).is_some_and(|setting| setting.accepts.is_secret()))
            .filter_map(|(key, given)| Some((key.to_owned(), given.file.as_deref()?)))
            .filter(|(_, path)| !is_container_secret(path) && mode(path).is_some_and(|mode| mode & 0o007 != 0))
            .map(|(key, path)| (key, path.display().to_string()))
            .collect();
        for (key, path) in open {
            self.refuse(&key, "is a secret in a file that every user of this machine can read", format!("run `chmod 600 {path}`"));
        }
    }

    fn dev_clock(&mut self) {
        if self.settings.dev_clock {
            let problem = format!("lets anyone move the time, in {}", self.env());
            self.refuse("dev.clock", problem, "remove it; the test clock exists in development only");
        }
    }
}

/// What is accepted and still worth a second look.
pub(super) fn warnings(settings: &Settings) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut warn = |key: &str, problem: &str, mend: &str| found.push(Fault::missing(name_of(key), problem, mend));
    if settings.env == Environment::Development {
        return found;
    }
    if !settings.limits.enabled {
        warn("limits.enabled", "rate limits are off", "switch them on, unless something in front limits callers");
    }
    if is_cheap(settings) {
        warn("passwords.argon2_memory_kib", "password hashes cost less than OWASP advises", "use at least 19456 KiB with 2 iterations");
    }
    if matches!(&settings.trusted_proxies, TrustedProxies::Networks(nets) if nets.iter().any(|net| net.prefix_len() == 0)) {
        warn("server.trusted_proxies", "every caller may claim any address", "list the networks of your proxies only");
    }
    if clear(settings.mail.smtp_url.as_ref(), |url| urls::smtp(url).is_ok_and(|smtp| !smtp.requires_tls && !smtp.is_loopback)) {
        warn("mail.smtp_url", "mail with codes and links may leave unencrypted", "append `?tls=required`, or use `smtps://`");
    }
    if clear(settings.redis_url.as_ref(), |url| urls::redis(url).is_ok_and(|redis| !redis.is_tls && !redis.is_loopback)) {
        warn(
            "redis.url",
            "Redis is spoken to in the clear, over the network",
            "use `rediss://`, or a network that only these machines share",
        );
    }
    if settings.tokens.access_ttl > Duration::from_secs(3600) {
        warn("tokens.access_ttl", "access tokens live for more than an hour", "use 15m; clients refresh without their users noticing");
    }
    if settings.cors_origins.iter().any(|origin| origin.starts_with("http://")) {
        warn("server.cors_origins", "an origin is plain http and can be impersonated on the network", "list https origins only");
    }
    found
}

fn clear(url: Option<&SecretString>, is_clear: impl Fn(&str) -> bool) -> bool {
    url.is_some_and(|url| is_clear(url.expose_secret()))
}

/// Below every combination of memory and passes that OWASP lists: 46 MiB × 1, 19 MiB × 2, 12 MiB × 3, 9 MiB × 4, 7 MiB × 5.
fn is_cheap(settings: &Settings) -> bool {
    const ADVISED: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
    let passwords = &settings.passwords;
    !ADVISED.iter().any(|(memory, passes)| passwords.argon2_memory_kib >= *memory && passwords.argon2_iterations >= *passes)
}

fn is_sqlite(settings: &Settings) -> bool {
    settings.database.url.expose_secret().starts_with("sqlite:")
}

fn name_of(key: &str) -> String {
    names::of_key(key).map_or_else(|| names::section_name(key), names::Setting::name)
}

/// Docker mounts secrets here, readable inside the container, where there are no other users.
fn is_container_secret(path: &Path) -> bool {
    path.starts_with("/run/secrets") || path.starts_with("/var/run/secrets")
}

/// Permission bits of a file; `None` when it is not there or the system has none.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}
