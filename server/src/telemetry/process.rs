//! What the kernel says about this process, read from `/proc` when somebody scrapes.
//!
//! Where there is no `/proc` these metrics are left out.

use std::fs;

use super::exposition::value;

/// `USER_HZ`, which Linux fixes at 100 for everything it tells to user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends the metrics of this process in the Prometheus text format. Blocks a little: it reads files.
pub fn render(out: &mut String) {
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        push(out, "process_resident_memory_bytes", field(&status, "VmRSS:").map(|kib| kib * 1024.0));
        push(out, "process_threads", field(&status, "Threads:"));
    }
    if let Ok(limits) = fs::read_to_string("/proc/self/limits") {
        let open_files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        push(out, "process_max_fds", open_files.and_then(|rest| rest.split_whitespace().next()).and_then(|soft| soft.parse().ok()));
    }
    push(out, "process_open_fds", fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as f64));
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        render_stat(&stat, out);
    }
}

/// `proc_pid_stat(5)`: fields are counted after the name in parentheses, which may itself hold spaces.
fn render_stat(stat: &str, out: &mut String) {
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // The state is skipped, so number n of the manual page stands at n - 4.
    let ticks = |number: usize| fields.get(number - 4).map(|ticks| ticks / TICKS_PER_SECOND);
    push(out, "process_cpu_seconds_total", ticks(14).zip(ticks(15)).map(|(user, system)| user + system));
    let booted = fs::read_to_string("/proc/stat").ok().and_then(|stat| field(&stat, "btime"));
    push(out, "process_start_time_seconds", ticks(22).zip(booted).map(|(after, booted)| booted + after));
}

fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn push(out: &mut String, name: &'static str, number: Option<f64>) {
    if let Some(number) = number {
        value(out, name, number);
    }
}
