//! What the kernel says about a process: its processor time and its memory; and how to wait for things.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Processor time that process `pid` has used since it started, user and system, all living threads together.
///
/// From the scheduler's own account, which counts nanoseconds: utime and stime of `/proc/PID/stat` are the same sum in
/// ticks of 10 ms, too coarse for a turn that takes a tenth of a second.
pub fn cpu(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
        // A thread may end while the list is read.
        let Ok(account) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanos += on_cpu(&account)?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// The same for the calling thread alone.
pub fn cpu_of_thread() -> Result<Duration> {
    Ok(Duration::from_nanos(on_cpu(&std::fs::read_to_string("/proc/thread-self/schedstat")?)?))
}

fn on_cpu(account: &str) -> Result<u64> {
    account.split(' ').next().and_then(|text| text.parse().ok()).context("an odd schedstat")
}

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that ever was resident.
    pub peak: u64,
}

/// How much memory process `pid` holds.
pub fn memory(pid: u32) -> Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("an odd /proc/PID/status")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        anyhow::Ok(kib * 1024)
    };
    Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

/// Lets `duration` pass: something is measured meanwhile.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures over time; nothing here waits for an event by sleeping")]
pub fn pass(duration: Duration) {
    std::thread::sleep(duration);
}

/// Does `work` again and again on `threads` threads for `during`: how often, and how many seconds it took.
pub fn on_threads(threads: usize, during: Duration, work: impl Fn() + Sync) -> (u64, f64) {
    let started = Instant::now();
    let one = || {
        let mut done = 0;
        while started.elapsed() < during {
            (0..16).for_each(|_| work());
            done += 16;
        }
        done
    };
    let done = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        // A thread that panicked has done nothing that counts.
        workers.into_iter().map(|worker| worker.join().unwrap_or(0)).sum()
    });
    (done, started.elapsed().as_secs_f64())
}

/// Asks `ready` again every millisecond until it says yes; fails after `patience`.
pub fn until(what: &str, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<Duration> {
    let started = Instant::now();
    while !ready() {
        if started.elapsed() > patience {
            bail!("waited {patience:?} in vain for {what}");
        }
        pass(Duration::from_millis(1));
    }
    Ok(started.elapsed())
}

/// A port nobody listens on at the moment.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The machine in a few words: processor, cores, how long a durable write takes in `folder`, how busy it is.
pub fn machine(folder: &Path) -> Result<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")).map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    Ok(format!(
        "{model}, {} cores; a 4 KiB write with fdatasync takes {:.2} ms (median); load average before the run {}",
        cores(),
        sync_time(folder)?.as_secs_f64() * 1000.0,
        load.join(" ")
    ))
}

/// Cores of this machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn sync_time(folder: &Path) -> Result<Duration> {
    use std::io::Write;
    let mut file = tempfile::tempfile_in(folder)?;
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..50 {
        let started = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        took.push(started.elapsed());
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}
