//! A running Keystead inside the test's process.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystead::app::{self, Running, Seed};
use keystead::config::{Settings, Sources};
use keystead::secret::Random;
use keystead::shared::Patience;
use keystead::time::{Clock, Timestamp};

use super::client::Client;
use super::store::{Ground, Store};

/// A server on a free port. It reads like a [`Client`] without credentials: `instance.get("/health/live")`.
pub struct Instance {
    /// The instance's time; all instances of one test share it.
    pub clock: Clock,
    /// What it stands on.
    pub ground: Arc<Ground>,
    /// The server itself, for tests that look behind HTTP.
    pub running: Running,
    client: Client,
    settings: Vec<(String, String)>,
    /// How many mails to each address the test has read.
    pub(super) read: Mutex<HashMap<String, usize>>,
}

/// An instance that is about to start.
pub struct Builder {
    ground: Source,
    clock: Clock,
    random: Random,
    settings: Vec<(String, String)>,
}

enum Source {
    Fresh(Store),
    Shared(Arc<Ground>),
}

impl Instance {
    /// An instance with the settings of the tests, on a fresh store.
    pub async fn start(store: Store) -> Self {
        Self::builder(store).start().await
    }

    /// An instance with settings of its own.
    pub fn builder(store: Store) -> Builder {
        Builder { ground: Source::Fresh(store), clock: Clock::system(), random: Random::system(), settings: Vec::new() }
    }

    /// One more instance on the same stores, with the same settings and at the same time.
    pub async fn second(&self) -> Self {
        let mut builder = Self::builder(self.ground.store).second(self);
        builder.settings.clone_from(&self.settings);
        builder.start().await
    }

    /// Stops the server as SIGTERM would, and starts it again on what it left.
    pub async fn restart(self) -> Self {
        let builder = Builder {
            ground: Source::Shared(Arc::clone(&self.ground)),
            clock: self.clock.clone(),
            random: Random::system(),
            settings: self.settings.clone(),
        };
        let read = self.stop().await;
        let restarted = builder.start().await;
        *restarted.read.lock().unwrap() = read;
        restarted
    }

    /// Stops the server as SIGTERM would; gives back how much mail was read.
    pub async fn stop(self) -> HashMap<String, usize> {
        self.running.stop().await.unwrap_or_else(|error| panic!("the server did not stop cleanly: {error:?}"));
        self.read.into_inner().unwrap()
    }

    /// Moves this instance, and all that share its clock, into the future.
    pub fn advance(&self, by: Duration) -> Timestamp {
        self.clock.advance(by)
    }

    /// A client that speaks to the ops listener (metrics, health detail).
    pub fn ops(&self) -> Client {
        let address = self.running.ops_addr.expect("the instance has an ops listener");
        Client::new(format!("http://{address}"))
    }
}

impl Deref for Instance {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Builder {
    /// Sets one setting by the name it has in the environment.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// Stands on the stores of `first` and lives at its time, as another instance of a cluster does.
    pub fn second(mut self, first: &Instance) -> Self {
        self.ground = Source::Shared(Arc::clone(&first.ground));
        self.clock = first.clock.clone();
        self
    }

    /// Stands on a ground of the test's own making.
    pub fn on(mut self, ground: Arc<Ground>) -> Self {
        self.ground = Source::Shared(ground);
        self
    }

    /// Makes ids, codes and tokens repeatable.
    pub fn seeded(mut self, seed: u64) -> Self {
        self.random = Random::seeded(seed);
        self
    }

    /// Lives by another clock, such as a frozen one.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts it, and fails the test where that fails.
    pub async fn start(self) -> Instance {
        let (ground, settings) = match self.ground {
            Source::Fresh(store) => (Arc::new(Ground::migrated(store).await), self.settings),
            Source::Shared(ground) => (ground, self.settings),
        };
        let mut env = ground.environment();
        env.extend(settings.iter().cloned());
        let sources = Sources { env, dir: ground.data_dir().to_owned() };
        let loaded = Settings::load(&sources).unwrap_or_else(|faults| panic!("the settings of this test: {faults:?}"));
        // A machine that does ten things at once answers late, and that is not what is tested.
        let patience = Patience { answer: Duration::from_secs(2), ..Patience::default() };
        let seed = Seed { clock: self.clock.clone(), random: self.random, patience };
        let running = app::start(loaded, seed).await.unwrap_or_else(|error| panic!("the instance did not start: {error:?}"));
        let client = Client::new(format!("http://{}", running.addr));
        Instance { clock: self.clock, ground, running, client, settings, read: Mutex::default() }
    }
}
