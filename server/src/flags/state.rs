//! The flags in memory: one snapshot that evaluations share, replaced as a whole when something changed.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use datalogic_rs::Engine;
use tokio_util::sync::CancellationToken;

use super::admin::FLAGS_MAX;
use super::answers::Answers;
use super::declared::DECLARED;
use super::evaluate::Compiled;
use super::store;
use crate::db::{DbError, Tx};
use crate::ground::Ground;
use crate::shared::net;
use crate::time::Timestamp;

/// Fan-out topic: some flag changed.
pub const FLAGS_CHANGED: &str = "flags.changed";

/// How far the clocks of instances may differ.
const POLL_OVERLAP: Duration = Duration::from_secs(10);

/// The flags of one instance; clones share them.
#[derive(Clone)]
pub struct Flags(Arc<Inner>);

struct Inner {
    ground: Ground,
    engine: Engine,
    snapshot: RwLock<Arc<Snapshot>>,
}

/// Every flag at one moment.
#[derive(Default)]
pub struct Snapshot {
    flags: BTreeMap<String, Compiled>,
    versions: BTreeMap<String, i64>,
    /// The newest change that is in here.
    newest: Timestamp,
    pub(super) answers: Answers,
}

impl Snapshot {
    /// One flag.
    pub fn get(&self, key: &str) -> Option<&Compiled> {
        self.flags.get(key)
    }

    /// How many flags there are.
    pub fn count(&self) -> usize {
        self.flags.len()
    }

    /// All flags, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Compiled)> {
        self.flags.iter().map(|(key, flag)| (key.as_str(), flag))
    }
}

impl Flags {
    /// Only what is declared in code, until [`Flags::reload`].
    pub fn new(ground: Ground) -> Self {
        let engine = Engine::new();
        let snapshot = RwLock::new(Arc::new(Snapshot { flags: declared(&engine), ..Snapshot::default() }));
        Self(Arc::new(Inner { ground, engine, snapshot }))
    }

    /// The flags as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What evaluates them.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Whether a flag of Keystead's own is on, for whom no attribute is known.
    pub fn is_on(&self, flag: super::declared::Declared) -> bool {
        let (snapshot, arena) = (self.snapshot(), datalogic_rs::bumpalo::Bump::new());
        let nobody = serde_json::Value::Object(serde_json::Map::new());
        let context = super::Context::new(&nobody, &arena);
        let value = snapshot.get(flag.key).and_then(|compiled| compiled.evaluate(&self.0.engine, &context).ok()?.value.as_bool());
        value.unwrap_or(flag.default)
    }

    /// Reads all flags again.
    ///
    /// # Errors
    /// The store does not answer; what is in memory stays.
    pub async fn reload(&self) -> Result<(), DbError> {
        let stored = store::all(&self.0.ground.db, FLAGS_MAX).await?;
        let changed = store::changed_since(&self.0.ground.db, Timestamp::default()).await?;
        let mut next = Snapshot { flags: declared(&self.0.engine), versions: changed.into_iter().collect(), ..Snapshot::default() };
        for flag in stored {
            next.newest = next.newest.max(flag.updated_at);
            let compiled = Compiled::new(&self.0.engine, &flag.key, flag.definition);
            next.flags.insert(flag.key, compiled);
        }
        *self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    /// Has every instance read the flags again once `tx` is committed; this one by [`Flags::reload`].
    pub(super) fn changed_on_commit(&self, tx: &mut Tx) {
        let this = self.clone();
        tx.on_commit(move || this.0.ground.shared.publish(FLAGS_CHANGED, Vec::new()));
    }

    /// Reads them again when one was changed or deleted elsewhere.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn poll(&self) -> Result<(), DbError> {
        let known = self.snapshot();
        // An instance whose clock is ahead must not blind the others.
        let changed = store::changed_since(&self.0.ground.db, known.newest.min(self.0.ground.clock.now()).minus(POLL_OVERLAP)).await?;
        if changed.iter().any(|(key, version)| known.versions.get(key) != Some(version)) {
            self.reload().await?;
        }
        Ok(())
    }

    /// Polls until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        net::follow("flags", stop, || self.poll()).await;
    }
}

fn declared(engine: &Engine) -> BTreeMap<String, Compiled> {
    DECLARED.iter().map(|flag| (flag.key.to_owned(), Compiled::new(engine, flag.key, flag.definition()))).collect()
}
