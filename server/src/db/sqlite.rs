//! The embedded engine: one writer that commits for many, a few readers.
//!
//! SQLite has one writer at a time anyway, so there is one connection that writes, on a thread of its own.
//! It takes what waits in its queue, gives each caller's work a savepoint of its own, and makes all of it
//! durable with a single commit (WAL, `synchronous=FULL`): an acknowledged write survives the loss of power,
//! and the cost of that is shared. Readers have connections and threads of their own and never wait for it.

use std::future::Future;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::oneshot;

use self::writer::{Log, Writer};
use super::PoolStatus;
use super::error::DbError;
use super::tx::{On, Tx};

mod writer;

/// Callers that may wait for the writer, and for a reader.
const QUEUE: usize = 4096;
const STATEMENTS: usize = 256;

/// Between two tries to turn the write-ahead log on.
const LOG_PAUSE: Duration = Duration::from_millis(5);

type Answer = Box<dyn FnOnce(Result<(), DbError>) + Send>;

/// What a caller's work left behind, until the commit is done.
struct Done {
    keep: bool,
    answer: Answer,
}

impl Done {
    /// For a caller who is gone.
    fn nothing() -> Self {
        Self { keep: false, answer: Box::new(|_| {}) }
    }
}

type Write = Box<dyn FnOnce(Result<&mut Tx, DbError>) -> Done + Send>;
type Read = Box<dyn FnOnce(&mut Tx) + Send>;

enum Job {
    /// Its own savepoint.
    Many(Write),
    /// A single statement undoes itself when it fails.
    One(Write),
}

/// How busy the threads are.
#[derive(Default)]
struct Load {
    waiting: AtomicUsize,
    busy: AtomicUsize,
}

impl Load {
    /// A thread took a job out of its queue.
    fn take(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// The same, and the thread was idle.
    fn begin(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.take();
    }

    fn end(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

/// The threads; dropped or closed, they finish what is queued and end.
pub(super) struct Sqlite {
    writer: Mutex<Option<SyncSender<Job>>>,
    readers: Mutex<Option<SyncSender<Read>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    write_load: Arc<Load>,
    read_load: Arc<Load>,
}

impl Sqlite {
    /// Opens (or creates, for its owner alone) the file at `path` and starts the threads. `patience`: how long to wait
    /// for another process that writes to the file. With `shred` a deleted row's bytes are overwritten, in the
    /// file at once and in the write-ahead log soon, so that an erased key is not found in either.
    pub(super) fn open(path: &Path, readers: usize, patience: Duration, shred: bool) -> Result<Self, DbError> {
        create(path)?;
        let writing = connect(path, patience)?;
        write_ahead(&writing, patience)?;
        writing.execute_batch("PRAGMA synchronous=FULL; PRAGMA cache_size=-4096; PRAGMA wal_autocheckpoint=2000;")?;
        if shred {
            writing.execute_batch("PRAGMA secure_delete=ON;")?;
        }
        let mut threads = Vec::new();
        let (write_load, read_load) = (Arc::new(Load::default()), Arc::new(Load::default()));
        let (writer, jobs) = sync_channel(QUEUE);
        let log = Log::new(beside(path, "-wal"), shred, patience);
        let thread = Writer { tx: Tx::new(On::Sqlite(writing)), jobs, load: write_load.clone(), log };
        threads.push(spawn("db-writer", move || thread.run())?);
        let (reader, reads) = sync_channel::<Read>(QUEUE);
        let reads = Arc::new(Mutex::new(reads));
        for number in 0..readers.clamp(1, 4) {
            let connection = connect(path, patience)?;
            connection.execute_batch("PRAGMA query_only=1; PRAGMA cache_size=-2048;")?;
            let (reads, load) = (reads.clone(), read_load.clone());
            let thread = move || read_until_closed(Tx::new(On::Sqlite(connection)), &reads, &load);
            threads.push(spawn(&format!("db-reader-{number}"), thread)?);
        }
        Ok(Self {
            writer: Mutex::new(Some(writer)),
            readers: Mutex::new(Some(reader)),
            threads: Mutex::new(threads),
            write_load,
            read_load,
        })
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
            if send.is_closed() {
                return Done::nothing();
            }
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
            if send.is_closed() {
                return Done::nothing();
            }
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
            // Nothing was written, so an error here takes nothing away; but the snapshot must not stay open.
            if batch(tx, "COMMIT").is_err() && in_transaction(tx) {
                let _ = batch(tx, "ROLLBACK");
            }
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
        push(&self.writer, &self.write_load, job)
    }

    fn queue_read(&self, read: Read) -> Result<(), DbError> {
        push(&self.readers, &self.read_load, read)
    }

    /// The threads at work, those without work, and the callers that wait for one.
    pub(super) fn status(&self) -> PoolStatus {
        let sum =
            |of: fn(&Load) -> &AtomicUsize| [&self.write_load, &self.read_load].map(|load| of(load).load(Ordering::Relaxed)).iter().sum();
        let in_use: usize = sum(|load| &load.busy);
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).len();
        PoolStatus { in_use, idle: threads.saturating_sub(in_use), waiting: sum(|load| &load.waiting) }
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

fn push<J>(queue: &Mutex<Option<SyncSender<J>>>, load: &Load, job: J) -> Result<(), DbError> {
    let sender = queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(stopped)?;
    load.waiting.fetch_add(1, Ordering::Relaxed);
    sender.try_send(job).map_err(|error| {
        load.take();
        match error {
            TrySendError::Full(_) => DbError::Unavailable("too many callers wait for the database".to_owned()),
            TrySendError::Disconnected(_) => stopped(),
        }
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
    // One that is there is not even opened: closing it would drop the locks that this process holds on it (POSIX).
    match std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(refuse(error)),
        _ => Ok(()),
    }
}

/// The file that SQLite keeps beside `path`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn connect(path: &Path, patience: Duration) -> Result<Connection, DbError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // First of all, so that everything after it waits for another process instead of failing.
    connection.busy_timeout(patience)?;
    connection.execute_batch("PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Turns the write-ahead log on, within `patience`: that takes the whole file for a moment, and SQLite refuses at once
/// instead of waiting when two processes want it from each other.
/// A file system without shared memory refuses by answering with another mode, not with an error.
fn write_ahead(connection: &Connection, patience: Duration) -> Result<(), DbError> {
    let mut left = patience;
    let mode: String = loop {
        match connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0)) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && !left.is_zero() => {
                std::thread::park_timeout(LOG_PAUSE);
                left = left.saturating_sub(LOG_PAUSE);
            }
            answer => break answer?,
        }
    };
    if mode == "wal" {
        return Ok(());
    }
    Err(DbError::Unavailable("the file system does not allow a write-ahead log; put the database on a local disk".to_owned()))
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
        Ok(Poll::Ready(result)) => tx.judge(result),
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

/// Whether a transaction is open; the engine ends one by itself when it cannot go on.
fn in_transaction(tx: &Tx) -> bool {
    on_connection(tx, |connection| Ok(!connection.is_autocommit())).unwrap_or(false)
}

fn read_until_closed(mut tx: Tx, reads: &Mutex<Receiver<Read>>, load: &Load) {
    loop {
        let next = reads.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        load.begin();
        read(&mut tx);
        tx.reset();
        load.end();
    }
}
