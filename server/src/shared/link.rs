//! The line to Redis: one connection, a circuit, and a keeper that brings both back.
//!
//! A request never waits for a sick Redis more than once: each command has a short patience, and the
//! first one that fails opens the circuit, so that all others go on locally at once. The keeper is the
//! only one who tries a lost Redis. It proves it with a write, because a replica answers a ping and
//! still refuses to count.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::target::{Connection, Target};

const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// How patient this process is with Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The longest a request waits for an answer before it goes on locally.
    pub answer: Duration,
    /// How often a silent connection is proven, and a lost one tried again.
    pub probe_every: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer: Duration::from_millis(50), probe_every: Duration::from_millis(250) }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// The command was not carried out.
    Undone,
    /// It may or may not have been carried out.
    Unsure,
}

pub(super) struct Link {
    target: Target,
    patience: Patience,
    /// Written under the random name of this instance to prove that Redis takes writes.
    probe_key: String,
    connection: Mutex<Option<Connection>>,
    up: watch::Sender<bool>,
    lost: Notify,
    /// A refused command is worth one line in the log, not one per request.
    complained: AtomicBool,
}

impl Link {
    pub(super) fn new(target: Target, patience: Patience, instance: &str) -> Arc<Self> {
        metrics::gauge!("keystead_shared_up").set(0.0);
        Arc::new(Self {
            target,
            patience,
            probe_key: format!("ks:p:{instance}"),
            connection: Mutex::new(None),
            up: watch::Sender::new(false),
            lost: Notify::new(),
            complained: AtomicBool::new(false),
        })
    }

    pub(super) fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Waits until Redis answers.
    pub(super) async fn wait_up(&self) {
        // Cannot fail: the sender lives in `self`.
        let _ = self.up.subscribe().wait_for(|up| *up).await;
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Runs a command within the patience; any loss opens the circuit.
    pub(super) async fn run<T, F>(&self, operation: &'static str, command: impl FnOnce(Connection) -> F) -> Result<T, Missed>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let connection = self.connection().filter(|_| self.is_up()).ok_or(Missed::Undone)?;
        let began = Instant::now();
        let outcome = tokio::time::timeout(self.patience.answer, command(connection)).await;
        metrics::histogram!("keystead_shared_roundtrip_seconds", "operation" => operation).record(began.elapsed());
        let missed = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => self.failed(operation, &error),
            Err(_) => self.lose(&"it did not answer in time"),
        };
        metrics::counter!("keystead_shared_errors_total", "operation" => operation).increment(1);
        Err(missed)
    }

    fn failed(&self, operation: &'static str, error: &RedisError) -> Missed {
        match error.kind() {
            ErrorKind::Server(kind) if is_about_the_command(kind) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    tracing::warn!(operation, %error, "Redis refuses a command, so it is answered locally: check the ACL (~ks:* &ks:* and the commands) and that Redis is 6.2 or newer");
                }
                Missed::Undone
            }
            ErrorKind::Server(_) | ErrorKind::Extension => {
                self.lose(error);
                Missed::Undone
            }
            _ => self.lose(error),
        }
    }

    fn lose(&self, why: &dyn std::fmt::Display) -> Missed {
        if self.up.send_replace(false) {
            metrics::gauge!("keystead_shared_up").set(0.0);
            tracing::warn!(%why, "Redis is lost: limits are counted locally and messages wait until it is back");
            self.lost.notify_one();
        }
        Missed::Unsure
    }

    /// Keeps the line until `stop`. The first attempt has ended when `tried` is cancelled.
    pub(super) async fn keep(self: Arc<Self>, tried: CancellationToken, stop: CancellationToken) {
        let mut never_tried = true;
        loop {
            let outcome = tokio::select! {
                () = stop.cancelled() => break,
                outcome = self.prove() => outcome,
            };
            match outcome {
                Ok(()) => self.back(),
                Err(error) if never_tried => {
                    tracing::warn!(why = %error, "Redis cannot be reached: going on locally until it can");
                }
                Err(error) => {
                    self.lose(&error);
                }
            }
            never_tried = false;
            tried.cancel();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.lost.notified() => {}
                () = tokio::time::sleep(self.patience.probe_every) => {}
            }
        }
    }

    fn back(&self) {
        if !self.up.send_replace(true) {
            metrics::gauge!("keystead_shared_up").set(1.0);
            tracing::info!("Redis answers: limits and messages are shared");
        }
    }

    /// The present connection takes a write, or else a fresh one does.
    async fn prove(&self) -> RedisResult<()> {
        if let Some(connection) = self.connection()
            && self.probe(connection).await.is_ok()
        {
            return Ok(());
        }
        // A hanging connection may never fail by itself: it is left, not waited for.
        self.set(None);
        let fresh = within(CONNECT_WITHIN, self.target.connect(CONNECT_WITHIN)).await?;
        self.probe(fresh.clone()).await?;
        self.set(Some(fresh));
        Ok(())
    }

    async fn probe(&self, mut connection: Connection) -> RedisResult<()> {
        let mut write = redis::cmd("SET");
        write.arg(&self.probe_key).arg(1).arg("PX").arg(60_000);
        within(self.patience.answer, write.query_async(&mut connection)).await
    }

    fn connection(&self) -> Option<Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, connection: Option<Connection>) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

/// Bounds a step of the background tasks; being late is an I/O error like any other.
pub(super) async fn within<T>(limit: Duration, step: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(limit, step).await {
        Ok(outcome) => outcome,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// Redis is well and this one command was wrong: no reason to leave it.
fn is_about_the_command(kind: ServerErrorKind) -> bool {
    matches!(
        kind,
        ServerErrorKind::ResponseError
            | ServerErrorKind::ExecAbort
            | ServerErrorKind::NoScript
            | ServerErrorKind::CrossSlot
            | ServerErrorKind::NoPerm
            | ServerErrorKind::TryAgain
    )
}
