//! The hashing threads and the way to ask them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use super::argon::{self, Argon2Cost, Memory};
use super::queue::{Job, Queue, Task};
use super::stored;
use crate::secret::Random;

/// Idle threads give their memory back after this long.
const RELEASE_AFTER: Duration = Duration::from_secs(10);
/// How far hashing steps back (nice): whatever else the process does takes turns with a handful of threads that compute
/// without end, and token checks must not wait for them. When nobody else wants the core, hashing has all of it.
#[cfg(target_os = "linux")]
const STEP_BACK: i32 = 5;
/// The first guess at the speed of Argon2: time per KiB and pass on a slow core.
const GUESS_PER_KIB: Duration = Duration::from_nanos(500);

/// The outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Right {
        /// The stored hash is not Argon2id at the configured cost: store a new one now.
        rehash: bool,
    },
    /// The password is wrong, or there was nothing to compare it with.
    Wrong,
}

/// The queue would make people wait longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password queue is full")]
pub struct Overloaded {
    /// When it is worth coming back.
    pub retry_after: Duration,
}

/// How a pool is set up.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// The cost of new hashes, and of the pretended ones.
    pub cost: Argon2Cost,
    /// Hashing threads.
    pub threads: usize,
    /// The longest estimated wait that is accepted.
    pub max_wait: Duration,
    /// Idle threads give their memory back after this long.
    pub release_after: Duration,
}

/// What a pool has done and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Tasks in the line, those in work not counted.
    pub waiting: usize,
    /// Finished tasks since the start.
    pub hashed: u64,
    /// Tasks left out because the caller went away.
    pub skipped: u64,
    /// Tasks refused because the wait would have been too long.
    pub refused: u64,
    /// Bytes of hashing memory held at the moment.
    pub memory: u64,
}

/// The bounded pool of threads that hash passwords; memory is reused per thread.
///
/// Clones share the threads, which end when the last clone is dropped.
#[derive(Clone)]
pub struct PasswordPool(Arc<Handle>);

/// Ends the threads when dropped. They hold `Shared`, not this.
struct Handle {
    shared: Arc<Shared>,
    threads: usize,
    random: Random,
}

struct Shared {
    cost: Argon2Cost,
    release_after: Duration,
    queue: Mutex<Queue>,
    wake: Condvar,
    held: Arc<AtomicU64>,
}

impl PasswordPool {
    /// `threads` hashing threads; refuses work whose estimated wait exceeds `max_wait`. `app.rs`
    /// passes max(1, cores): hashing is pure computation, and more threads only share the same
    /// cores while each holds its own memory. Memory is bounded by `threads × memory_kib`, plus
    /// what a single imported hash of higher cost needs while it is verified.
    pub fn start(cost: Argon2Cost, threads: usize, max_wait: Duration, random: Random) -> Self {
        Self::with(PoolOptions { cost, threads, max_wait, release_after: RELEASE_AFTER }, random)
    }

    /// The same with every option.
    pub fn with(options: PoolOptions, random: Random) -> Self {
        let PoolOptions { cost, threads, max_wait, release_after } = options;
        let work = cost.memory_kib.saturating_mul(cost.iterations);
        let queue = Queue::new(threads, max_wait, GUESS_PER_KIB * work);
        let shared = Shared { cost, release_after, queue: Mutex::new(queue), wake: Condvar::new(), held: Arc::default() };
        let shared = Arc::new(shared);
        let started = (0..threads.max(1)).filter(|number| spawn(*number, &shared)).count();
        if started == 0 {
            // Answers every request with "overloaded" instead of letting it wait for nobody.
            shared.lock().closed = true;
        }
        Self(Arc::new(Handle { shared, threads: threads.max(1), random }))
    }

    /// Argon2id at the configured cost, as a PHC string.
    ///
    /// # Errors
    /// [`Overloaded`] when the estimated wait exceeds the limit.
    pub async fn hash(&self, password: SecretString) -> Result<String, Overloaded> {
        let (answer, hash) = oneshot::channel();
        self.0.shared.submit(Task::Hash { password, salt: self.0.random.bytes(), answer })?;
        hash.await.ok().flatten().ok_or(FAILED)
    }

    /// `stored = None` (nobody there) costs one verification of the configured parameters and is
    /// `Wrong`; so is a stored text that is no known hash.
    ///
    /// # Errors
    /// [`Overloaded`] when the estimated wait exceeds the limit.
    pub async fn verify(&self, password: SecretString, stored: Option<String>) -> Result<Verdict, Overloaded> {
        let stored = stored.and_then(|text| match stored::parse(&text) {
            Ok(stored) => Some(Box::new(stored)),
            Err(error) => {
                tracing::warn!(%error, "a stored password hash cannot be read; its owner needs a password reset");
                None
            }
        });
        let (answer, verdict) = oneshot::channel();
        self.0.shared.submit(Task::Verify { password, stored, answer })?;
        verdict.await.map_err(|_| FAILED)
    }

    /// How many passwords are hashed at the same time at most.
    pub fn threads(&self) -> usize {
        self.0.threads
    }

    /// What the pool has done and holds.
    pub fn stats(&self) -> PoolStats {
        let queue = self.0.shared.lock();
        PoolStats {
            waiting: queue.len(),
            hashed: queue.hashed,
            skipped: queue.skipped,
            refused: queue.refused,
            memory: self.0.shared.held.load(Ordering::Relaxed),
        }
    }
}

/// The thread failed on this task (and lives on): there is no answer, and trying again is harmless.
const FAILED: Overloaded = Overloaded { retry_after: Duration::from_secs(1) };

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn submit(&self, task: Task) -> Result<(), Overloaded> {
        let mut queue = self.lock();
        let result = if queue.closed { Err(FAILED) } else { queue.push(task) };
        gauge!("keystead_password_pool_queue").set(queue.len() as f64);
        drop(queue);
        match result {
            Ok(()) => self.wake.notify_one(),
            Err(_) => counter!("keystead_password_pool_refused_total").increment(1),
        }
        result
    }

    /// Waits for the next task; meanwhile gives memory back that was idle too long. `None`: the pool ended.
    fn next(&self, memory: &mut Memory) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.pop() {
                gauge!("keystead_password_pool_queue").set(queue.len() as f64);
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = if memory.is_held() {
                let (guard, waited) = self.wake.wait_timeout(queue, self.release_after).unwrap_or_else(PoisonError::into_inner);
                if !waited.timed_out() {
                    guard
                } else {
                    drop(guard);
                    memory.release();
                    self.report_memory();
                    self.lock()
                }
            } else {
                self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    /// Does the work; what it returns tells the caller.
    fn run(&self, task: Task, memory: &mut Memory) -> Box<dyn FnOnce()> {
        // A caller who went away in the meantime does not hear the answer, which is fine.
        match task {
            Task::Hash { password, salt, answer } => {
                let hash = argon::hash(self.cost, password.expose_secret().as_bytes(), &salt, memory);
                Box::new(move || _ = answer.send(hash))
            }
            Task::Verify { password, stored, answer } => {
                let password = password.expose_secret().as_bytes();
                let verdict = match stored {
                    Some(stored) if stored.matches(password, memory) => Verdict::Right { rehash: !stored.is_current(self.cost) },
                    Some(_) => Verdict::Wrong,
                    None => {
                        argon::pretend(self.cost, password, memory);
                        Verdict::Wrong
                    }
                };
                Box::new(move || _ = answer.send(verdict))
            }
        }
    }

    fn report_memory(&self) {
        gauge!("keystead_password_pool_memory_bytes").set(self.held.load(Ordering::Relaxed) as f64);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(number: usize, shared: &Arc<Shared>) -> bool {
    let shared = Arc::clone(shared);
    let started = std::thread::Builder::new().name(format!("hash-{number}")).spawn(move || work(&shared));
    if let Err(error) = &started {
        tracing::error!(%error, "a password hashing thread could not be started; raise the limit of threads");
    }
    started.is_ok()
}

/// On Linux a priority belongs to a thread, elsewhere to the process, which must not step back as a whole.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(STEP_BACK) {
        tracing::debug!(%error, "hashing runs at the priority of everything else");
    }
}

fn work(shared: &Shared) {
    step_back();
    let mut memory = Memory::new(shared.cost, Arc::clone(&shared.held));
    while let Some(job) = shared.next(&mut memory) {
        histogram!("keystead_password_pool_wait_seconds").record(job.since.elapsed());
        let start = Instant::now();
        // A defect in the reader of one foreign hash must not end the thread that everyone needs.
        let done = catch_unwind(AssertUnwindSafe(|| shared.run(job.task, &mut memory)));
        let took = start.elapsed();
        histogram!("keystead_password_hash_seconds").record(took);
        shared.report_memory();
        // Counted first: whoever has the answer finds it in the figures.
        shared.lock().learn(took);
        match done {
            Ok(answer) => answer(),
            Err(_) => tracing::error!("a password hash made its hashing thread panic; the request was refused"),
        }
    }
}
