//! The make over Redis: what is asked of it, and how it is named there.
//!
//! | key or channel | what |
//! |---|---|
//! | `ks:l:{scope}:{digest}` | a budget's slots, MessagePack; gone by itself after two windows |
//! | `ks:v:{name}` | an ephemeral value: its expiry by our clock (8 bytes), then the value |
//! | `ks:s:{name}` | a lease: the name of its owner |
//! | `ks:p:{instance}` | written to prove that Redis takes writes |
//! | `ks:t:{database}:{topic}`, `ks:b:{instance}` | messages; the beat of an instance |
//!
//! The digest hides what is counted (an address, a mail address) from whoever reads Redis by chance.
//! It is no secret-keyed hash: who can run commands there can also guess addresses.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::digest;
use redis::Script;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fanout::Fanout;
use super::link::{Link, Missed, Patience};
use super::pieces::Instance;
use super::target::Target;
use super::window::{Terms, instant};
use super::{Budget, Decision, Heard, Message, News};
use crate::time::Timestamp;

static LIMITER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("limiter.lua")));
static LEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lease.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));

/// How long a start waits for a first answer before it goes on without.
const START_WITHIN: Duration = Duration::from_secs(1);
/// How long a stop waits for its tasks.
const STOP_WITHIN: Duration = Duration::from_secs(1);

pub(super) struct Remote {
    link: Arc<Link>,
    fanout: Arc<Fanout>,
    owner: String,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Remote {
    pub(super) async fn start(target: Target, patience: Patience, instance: Instance, news: News, heard: Heard) -> Self {
        let owner = format!("{:032x}", u128::from_be_bytes(instance));
        let link = Link::new(target, patience, &owner);
        let fanout = Fanout::new(link.clone(), instance, news, heard);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (connected, listening) = (CancellationToken::new(), CancellationToken::new());
        tasks.spawn(link.clone().keep(connected.clone(), stop.clone()));
        tasks.spawn(fanout.clone().carry(stop.clone()));
        let first = async {
            connected.cancelled().await;
            tasks.spawn(fanout.clone().listen(listening.clone(), stop.clone()));
            listening.cancelled().await;
        };
        if tokio::time::timeout(START_WITHIN, first).await.is_err() && !connected.is_cancelled() {
            // The listener beats through the link, so it only starts once that was tried.
            tasks.spawn(fanout.clone().listen(listening, stop.clone()));
        }
        Self { link, fanout, owner, tasks, stop }
    }

    pub(super) fn is_up(&self) -> bool {
        self.link.is_up()
    }

    pub(super) fn silent_for(&self) -> Option<Duration> {
        self.fanout.silent_for()
    }

    pub(super) fn send(&self, message: Message) {
        self.fanout.send(message);
    }

    pub(super) async fn take(&self, scope: &str, key: &[u8], budget: Budget, cost: u32, now: Timestamp) -> Result<Decision, Missed> {
        let window = Terms::of(budget).window;
        let mut call = LIMITER.key(budget_key(scope, window, key));
        call.arg(instant(now)).arg(window).arg(budget.limit).arg(cost);
        let run = |mut connection| async move { call.invoke_async::<(u8, u64, i64, i64)>(&mut connection).await };
        let (allowed, used, reset, retry) = self.link.run("take", run).await?;
        Ok(if allowed == 1 { Decision::admitted(budget, used, reset) } else { Decision::refused(budget, used, reset, retry) })
    }

    pub(super) async fn put(&self, name: &str, value: &[u8], ttl: Duration, now: Timestamp) -> Result<(), Missed> {
        let expires = now.plus(ttl).as_micros();
        let mut set = redis::cmd("SET");
        set.arg(value_key(name)).arg([&expires.to_be_bytes(), value].concat()).arg("PX").arg(milliseconds(ttl));
        self.link.run("put", |mut connection| async move { set.query_async(&mut connection).await }).await
    }

    pub(super) async fn get(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, Missed> {
        self.read("get", "GET", name, now).await
    }

    pub(super) async fn take_value(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, Missed> {
        self.read("take_value", "GETDEL", name, now).await
    }

    async fn read(&self, operation: &'static str, command: &str, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, Missed> {
        let mut read = redis::cmd(command);
        read.arg(value_key(name));
        let run = |mut connection| async move { read.query_async::<Option<Vec<u8>>>(&mut connection).await };
        Ok(self.link.run(operation, run).await?.and_then(|framed| live(framed, now)))
    }

    pub(super) async fn lease(&self, name: &str, ttl: Duration) -> Result<bool, Missed> {
        let mut call = LEASE.key(lease_key(name));
        call.arg(&self.owner).arg(milliseconds(ttl));
        self.link.run("lease", |mut connection| async move { call.invoke_async(&mut connection).await }).await
    }

    pub(super) async fn release(&self, name: &str) -> Result<(), Missed> {
        let mut call = RELEASE.key(lease_key(name));
        call.arg(&self.owner);
        self.link.run("release", |mut connection| async move { call.invoke_async(&mut connection).await }).await
    }

    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        // A task that hangs is not worth a late exit.
        let _ = tokio::time::timeout(STOP_WITHIN, self.tasks.wait()).await;
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The value without its expiry, unless it has expired by our (movable) clock.
fn live(framed: Vec<u8>, now: Timestamp) -> Option<Vec<u8>> {
    let (expires, value) = framed.split_first_chunk::<8>()?;
    (Timestamp::from_micros(i64::from_be_bytes(*expires)) > now).then(|| value.to_vec())
}

/// Redis deletes by its own clock; ours decides, so Redis may only be later.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX >> 1).clamp(1, u64::MAX >> 1)
}

fn budget_key(scope: &str, window: i64, key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"keystead limiter 1");
    context.update(&(scope.len() as u64).to_be_bytes());
    context.update(scope.as_bytes());
    context.update(&window.to_be_bytes());
    context.update(key);
    let mut half = [0; 16];
    half.copy_from_slice(&context.finish().as_ref()[..16]);
    format!("ks:l:{scope}:{:032x}", u128::from_be_bytes(half))
}

fn value_key(name: &str) -> String {
    format!("ks:v:{name}")
}

fn lease_key(name: &str) -> String {
    format!("ks:s:{name}")
}
