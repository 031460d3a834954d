//! The embedded engine: one writer that commits for many, a few readers.
//!
//! SQLite has one writer at a time anyway, so there is one connection that writes, on a thread of its own.
//! It takes what waits in its queue, gives each caller's work a savepoint of its own, and makes all of it
//! durable with a single commit (WAL, `synchronous=FULL`): an acknowledged write survives the loss of power,
//! and the cost of that is shared. Readers have connections and threads of their own and never wait for it.

use std::future::Future;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::error::DbError;
use super::tx::{Hook, On, Tx};

/// Callers that one commit serves at most.
const BATCH: usize = 256;
/// Callers that may wait for the writer, and for a reader.
const QUEUE: usize = 4096;
/// How long to wait for another process that writes to the same file.
const BUSY: Duration = Duration::from_secs(5);
const STATEMENTS: usize = 256;

const COMMITS: &str = "keystead_db_commits_total";
const CALLERS: &str = "keystead_db_commit_callers_total";

/// What a caller's work left behind, until the commit is done.
struct Done {
    keep: bool,
    answer: Answer,
}

/// Tells a caller how the commit went.
type Answer = Box<dyn FnOnce(Result<(), DbError>) + Send>;

type Write = Box<dyn FnOnce(Result<&mut Tx, DbError>) -> Done + Send>;
type Read = Box<dyn FnOnce(&mut Tx) + Send>;

enum Job {
    /// Its own savepoint.
    Many(Write),
    /// A single statement undoes itself when it fails.
    One(Write),
}

/// The threads; dropped or closed, they finish what is queued and end.
pub(super) struct Sqlite {
    writer: Mutex<Option<SyncSender<Job>>>,
    readers: Mutex<Option<SyncSender<Read>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Sqlite {
    /// Opens (or creates, for its owner alone) the file at `path` and starts the threads. With `shred` a deleted
    /// row's bytes are overwritten, so that an erased key is not found in free pages.
    pub(super) fn open(path: &Path, readers: usize, shred: bool) -> Result<Self, DbError> {
        create(path)?;
        let writing = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        writing
            .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-4096; PRAGMA wal_autocheckpoint=2000;")?;
        if shred {
            writing.execute_batch("PRAGMA secure_delete=ON;")?;
        }
        let mut threads = Vec::new();
        let (writer, jobs) = sync_channel(QUEUE);
        threads.push(spawn("db-writer", move || write_until_closed(Tx::new(On::Sqlite(writing)), &jobs))?);
        let (reader, reads) = sync_channel::<Read>(QUEUE);
        let reads = Arc::new(Mutex::new(reads));
        for number in 0..readers.clamp(1, 4) {
            let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.execute_batch("PRAGMA query_only=1; PRAGMA cache_size=-2048;")?;
            let reads = reads.clone();
            threads.push(spawn(&format!("db-reader-{number}"), move || read_until_closed(Tx::new(On::Sqlite(connection)), &reads))?);
        }
        Ok(Self { writer: Mutex::new(Some(writer)), readers: Mutex::new(Some(reader)), threads: Mutex::new(threads) })
    }

    /// Queues a transaction and waits until it is durable.
    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (send, receive) = oneshot::channel();
        let run: Write = Box::new(move |tx| {
            let result = match tx {
                Ok(tx) => run_now(tx, work),
                Err(error) => Err(E::from(error)),
            };
            let keep = result.is_ok();
            let answer = move |committed: Result<(), DbError>| {
                let _ = send.send(match committed {
                    Ok(()) => result,
                    Err(error) => result.and(Err(E::from(error))),
                });
            };
            Done { keep, answer: Box::new(answer) }
        });
        self.queue_write(Job::Many(run))?;
        receive.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// The same for work that is a single statement.
    pub(super) async fn write_one<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let (send, receive) = oneshot::channel();
        let run: Write = Box::new(move |tx| {
            let result = tx.and_then(|tx| on_connection(tx, work));
            let keep = result.is_ok();
            let answer = move |committed: Result<(), DbError>| {
                let _ = send.send(result.and_then(|value| committed.map(|()| value)));
            };
            Done { keep, answer: Box::new(answer) }
        });
        self.queue_write(Job::One(run))?;
        receive.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Runs `work` on one snapshot.
    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (send, receive) = oneshot::channel();
        let run: Read = Box::new(move |tx| {
            let result = match batch(tx, "BEGIN") {
                Ok(()) => run_now(tx, work),
                Err(error) => Err(error.into()),
            };
            // Nothing was written; an error here leaves nothing behind.
            let _ = batch(tx, "COMMIT");
            let _ = send.send(result);
        });
        self.queue_read(run)?;
        receive.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// The same for a single statement, which is a snapshot by itself.
    pub(super) async fn read_one<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let (send, receive) = oneshot::channel();
        self.queue_read(Box::new(move |tx| {
            let _ = send.send(on_connection(tx, work));
        }))?;
        receive.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn queue_write(&self, job: Job) -> Result<(), DbError> {
        push(&self.writer, job)
    }

    fn queue_read(&self, read: Read) -> Result<(), DbError> {
        push(&self.readers, read)
    }

    /// Lets the threads finish what is queued, and waits for them. Blocks.
    pub(super) fn close(&self) {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).take();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

fn push<J>(queue: &Mutex<Option<SyncSender<J>>>, job: J) -> Result<(), DbError> {
    let sender = queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(stopped)?;
    sender.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => DbError::Unavailable("too many callers wait for the database".to_owned()),
        TrySendError::Disconnected(_) => stopped(),
    })
}

fn stopped() -> DbError {
    DbError::Unavailable("the database is closed".to_owned())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DbError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| DbError::Unavailable(error.to_string()))
}

/// The file and its folder are for their owner alone.
fn create(path: &Path) -> Result<(), DbError> {
    let refuse = |error: std::io::Error| DbError::Unavailable(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refuse)?;
    }
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(|_| ()).map_err(refuse)
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, DbError> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // First of all, so that everything after it waits for another process instead of failing.
    connection.busy_timeout(BUSY)?;
    connection.execute_batch("PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Runs work that awaits nothing but its `Tx`, which on this engine never waits: one poll finishes it.
fn run_now<T, E, F>(tx: &mut Tx, work: F) -> Result<T, E>
where
    F: AsyncFn(&mut Tx) -> Result<T, E>,
    E: From<DbError>,
{
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let mut future = pin!(work(tx));
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }));
    match polled {
        Ok(Poll::Ready(result)) => result,
        Ok(Poll::Pending) => Err(DbError::Other("a transaction awaited something besides its statements".to_owned()).into()),
        Err(_) => Err(DbError::Other("a transaction panicked".to_owned()).into()),
    }
}

fn on_connection<T>(tx: &Tx, work: impl FnOnce(&Connection) -> Result<T, DbError>) -> Result<T, DbError> {
    match &tx.on {
        On::Sqlite(connection) => work(connection),
        On::Postgres(_) => Err(DbError::Other("a connection of the other engine".to_owned())),
    }
}

fn batch(tx: &Tx, sql: &'static str) -> Result<(), DbError> {
    on_connection(tx, |connection| Ok(connection.prepare_cached(sql)?.raw_execute().map(|_| ())?))
}

fn read_until_closed(mut tx: Tx, reads: &Mutex<Receiver<Read>>) {
    loop {
        let next = reads.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        read(&mut tx);
        tx.hooks.clear();
    }
}

fn write_until_closed(mut tx: Tx, jobs: &Receiver<Job>) {
    let (commits, callers) = (metrics::counter!(COMMITS), metrics::counter!(CALLERS));
    while let Ok(first) = jobs.recv() {
        let served = write_batch(&mut tx, first, jobs);
        commits.increment(1);
        callers.increment(served);
    }
    // Leaves one file behind, without a write-ahead log to replay.
    let _ = on_connection(&tx, |connection| Ok(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?));
}

/// One durable commit for `first` and whatever else waits; how many callers it served.
fn write_batch(tx: &mut Tx, first: Job, jobs: &Receiver<Job>) -> u64 {
    if let Err(error) = batch(tx, "BEGIN IMMEDIATE") {
        let (Job::Many(run) | Job::One(run)) = first;
        (run(Err(error)).answer)(Ok(()));
        return 1;
    }
    let (mut answers, mut hooks): (Vec<Answer>, Vec<Hook>) = (Vec::new(), Vec::new());
    let mut next = Some(first);
    let mut lost = false;
    while let Some(job) = next.take() {
        let done = run_job(tx, job);
        if done.keep {
            hooks.append(&mut tx.hooks);
        }
        tx.hooks.clear();
        answers.push(done.answer);
        // A full disk, say, makes the engine roll back everything at once.
        lost = on_connection(tx, |connection| Ok(connection.is_autocommit())).unwrap_or(true);
        if !lost && answers.len() < BATCH {
            next = jobs.try_recv().ok();
        }
    }
    let committed = if lost {
        Err("the engine rolled the transaction back".to_owned())
    } else {
        batch(tx, "COMMIT").map_err(|error| {
            let _ = batch(tx, "ROLLBACK");
            error.to_string()
        })
    };
    let served = u64::try_from(answers.len()).unwrap_or(u64::MAX);
    if committed.is_ok() {
        hooks.into_iter().for_each(|hook| hook());
    }
    for answer in answers {
        answer(committed.clone().map_err(DbError::Unavailable));
    }
    served
}

fn run_job(tx: &mut Tx, job: Job) -> Done {
    match job {
        Job::One(run) => run(Ok(tx)),
        Job::Many(run) => {
            if let Err(error) = batch(tx, "SAVEPOINT work") {
                return run(Err(error));
            }
            let done = run(Ok(tx));
            if !done.keep {
                let _ = batch(tx, "ROLLBACK TO work");
            }
            // Fails only when the engine has rolled back everything, which the caller looks for.
            let _ = batch(tx, "RELEASE work");
            done
        }
    }
}
