//! Log lines on their way out: collected in memory, written by a thread.
//!
//! The thread sleeps while there is nothing to write; the first line wakes it, and 50 ms later it writes
//! all that came since. Errors and a full buffer are written at once. When whoever reads the log does
//! not keep up, lines are dropped and counted rather than requests held up.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::LogFormat;

/// How long a line may wait.
const WAIT: Duration = Duration::from_millis(50);

/// So many bytes are written without waiting.
const FULL: usize = 64 * 1024;

/// So many bytes may wait for a slow reader; what comes then is dropped.
const MOST: usize = 8 * 1024 * 1024;

/// The way to the log. Clones write to the same one; dropping the last one writes what is left.
#[derive(Clone)]
pub struct LogBuffer(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    format: LogFormat,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    sink: Mutex<Sink>,
}

/// Where lines go, and the buffer that was written last: the two change places, so that busy threads append to
/// memory that is there already instead of growing a new buffer after every write.
struct Sink {
    writer: Box<dyn Write + Send>,
    spare: Vec<u8>,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    dropped: u64,
    asleep: bool,
    urgent: bool,
    closed: bool,
}

/// What a [`LogBuffer::capture`] has written so far.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// The text so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl LogBuffer {
    /// A log that is written to `sink` by a thread of its own.
    pub fn start(sink: Box<dyn Write + Send>, format: LogFormat) -> Self {
        let sink = Mutex::new(Sink { writer: sink, spare: Vec::new() });
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), sink });
        let thread = Arc::clone(&shared);
        // Without a thread (the system has none left) lines wait for `flush` or for the end.
        let _ = std::thread::Builder::new().name("log".to_owned()).spawn(move || thread.run());
        Self(Arc::new(Handle { shared, format }))
    }

    /// A log that is kept in memory, for tests. Call [`LogBuffer::flush`] before reading it.
    pub fn capture(format: LogFormat) -> (Self, Captured) {
        let captured = Captured::default();
        (Self::start(Box::new(captured.clone()), format), captured)
    }

    /// How lines look.
    pub fn format(&self) -> LogFormat {
        self.0.format
    }

    /// Adds a line, which ends with a line feed. An `urgent` one is written at once.
    pub fn append(&self, line: &[u8], urgent: bool) {
        let shared = &*self.0.shared;
        let mut state = shared.state();
        if state.pending.len() + line.len() > MOST {
            state.dropped += 1;
            return;
        }
        state.pending.extend_from_slice(line);
        state.urgent |= urgent || state.pending.len() >= FULL;
        let wake = state.asleep || state.urgent;
        state.asleep = false;
        drop(state);
        if wake {
            shared.wake.notify_one();
        }
    }

    /// Writes out all lines before it returns. Blocks; for the end of the program and for panics.
    pub fn flush(&self) {
        self.0.shared.write_out();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.wake.notify_one();
        self.shared.write_out();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while self.wait() {
            self.write_out();
        }
    }

    /// Returns when it is time to write; `false` at the end.
    fn wait(&self) -> bool {
        let mut state = self.state();
        while state.pending.is_empty() && !state.closed {
            state.asleep = true;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.asleep = false;
        if !state.urgent && !state.closed {
            let gather = self.wake.wait_timeout_while(state, WAIT, |state| !state.urgent && !state.closed);
            state = gather.unwrap_or_else(PoisonError::into_inner).0;
        }
        !state.closed
    }

    /// The sink is locked first, so that whoever writes second writes later lines.
    fn write_out(&self) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = std::mem::take(&mut sink.spare);
        let dropped = {
            let mut state = self.state();
            state.urgent = false;
            std::mem::swap(&mut state.pending, &mut lines);
            std::mem::take(&mut state.dropped)
        };
        // There is nobody left to tell when the log itself cannot be written.
        let _ = sink.writer.write_all(&lines);
        if dropped > 0 {
            let _ = writeln!(
                sink.writer,
                "{{\"level\":\"WARN\",\"message\":\"log lines dropped: the reader of this log is too slow\",\"dropped\":{dropped}}}"
            );
        }
        let _ = sink.writer.flush();
        // What a slow reader let grow is given back.
        if lines.capacity() <= 4 * FULL {
            lines.clear();
            sink.spare = lines;
        }
    }
}
