//! Tells the program which commit it was built from. Works without git, and without a repository.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-env-changed=SOURCE_COMMIT");
    for path in watched() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    // SOURCE_COMMIT lets a build without the repository (a container) still name its commit.
    let named = std::env::var("SOURCE_COMMIT").ok().filter(|commit| commit.bytes().all(|b| b.is_ascii_hexdigit()) && commit.len() >= 7);
    let commit = named.map(|commit| commit[..7].to_owned()).or_else(|| git(&["rev-parse", "--short=7", "HEAD"]));
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.trim().parse().ok());
    let date = epoch.or_else(|| git(&["show", "-s", "--format=%ct", "HEAD"]).and_then(|seconds| seconds.parse().ok())).map(day);

    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    let date = date.unwrap_or_default();
    let gap = if date.is_empty() { "" } else { " " };
    println!("cargo::rustc-env=KEYSTEAD_COMMIT={commit}");
    println!("cargo::rustc-env=KEYSTEAD_COMMIT_DATE={date}");
    println!("cargo::rustc-env=KEYSTEAD_LONG_VERSION={} ({commit}{gap}{date})", env!("CARGO_PKG_VERSION"));
}

/// HEAD and the branch it points to. A branch that exists only packed is watched through the log of HEAD, because
/// cargo takes a file that is not there for one that always changes.
fn watched() -> Vec<PathBuf> {
    let path_of = |name: &str| git(&["rev-parse", "--git-path", name]).map(PathBuf::from).filter(|path| path.exists());
    let branch = git(&["symbolic-ref", "-q", "HEAD"]).and_then(|name| path_of(&name).or_else(|| path_of("logs/HEAD")));
    path_of("HEAD").into_iter().chain(branch).collect()
}

/// The trimmed answer of a git command in this folder; `None` when there is no git or it has nothing to say.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// `YYYY-MM-DD` in UTC of seconds since the Unix epoch (Hinnant's civil-from-days).
fn day(seconds: i64) -> String {
    let shifted = seconds.div_euclid(86_400) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
