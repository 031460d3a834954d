//! Reading single values: flags, numbers, durations, sizes, rates.
//!
//! Parsers take the text as it was written and return what is wrong without repeating the value, because the
//! caller knows whether it may be shown.

use std::time::Duration;

use super::Environment;
use super::fault::{Wrong, wrong};
use crate::shared::Budget;

/// Units of durations, largest first, in milliseconds.
const SPANS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
/// Units of sizes, largest first, in bytes.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Any text that is not blank and holds no control characters; kept as written.
pub(super) fn text(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return wrong("is blank", "write a value, or remove the line to use the default");
    }
    if text.chars().any(char::is_control) {
        return wrong("holds control characters", "write it on one line, without tabs or line breaks");
    }
    Ok(text.to_owned())
}

/// Where the instance runs.
pub(super) fn environment(text: &str) -> Result<Environment, Wrong> {
    match text.trim() {
        "development" => Ok(Environment::Development),
        "staging" => Ok(Environment::Staging),
        "production" => Ok(Environment::Production),
        _ => wrong("is not an environment", "use `development`, `staging` or `production`"),
    }
}

/// `true` or `false`, and the other words people use for them.
pub(super) fn flag(text: &str) -> Result<bool, Wrong> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => wrong("is neither true nor false", "use `true` or `false`"),
    }
}

/// A whole number in the type of the setting.
pub(super) fn number<T: TryFrom<u64>>(text: &str) -> Result<T, Wrong> {
    let Some(number) = digits(text.trim()).and_then(|n| T::try_from(n).ok()) else {
        return wrong("is not a whole number that fits", "use digits only, such as `8080`");
    };
    Ok(number)
}

/// Checks a whole number against its bounds.
pub(super) fn number_within(text: &str, min: u64, max: u64) -> Result<(), Wrong> {
    match digits(text.trim()) {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => wrong(format!("is not a whole number from {min} to {max}"), format!("use a number from {min} to {max}")),
    }
}

/// Digits only: no sign, no blanks, no separators.
fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// A duration: `90s`, `15m`, `1h30m`, `7d`, `500ms`.
pub(super) fn span(text: &str) -> Result<Duration, Wrong> {
    let text = text.trim();
    if digits(text).is_some() {
        return wrong("has no unit", format!("say which one: `{text}s`, `{text}m`, `{text}h` or `{text}d`"));
    }
    match milliseconds(text) {
        Some(total) => Ok(Duration::from_millis(total)),
        None => wrong("is not a duration", "use a number with a unit: `90s`, `15m`, `1h`, `7d`"),
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0u64;
    let mut largest_left = usize::MAX;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, next) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let index = SPANS.iter().position(|(name, _)| *name == unit)?;
        // Units go from large to small and none twice: `1h30m`, not `30m1h`.
        if largest_left != usize::MAX && index <= largest_left {
            return None;
        }
        largest_left = index;
        total = total.checked_add(digits(number)?.checked_mul(SPANS[index].1)?)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

/// Checks a duration against its bounds, in seconds.
pub(super) fn span_within(text: &str, min: u64, max: u64) -> Result<(), Wrong> {
    let span = span(text)?;
    if span < Duration::from_secs(min) || span > Duration::from_secs(max) {
        let bounds = format!("{} to {}", span_text(min), span_text(max));
        return wrong(format!("is outside {bounds}"), format!("use a duration from {bounds}"));
    }
    Ok(())
}

/// A duration, or `0` for never.
pub(super) fn span_or_never(text: &str) -> Result<Option<Duration>, Wrong> {
    if text.trim() == "0" {
        return Ok(None);
    }
    span(text).map(|span| Some(span).filter(|span| !span.is_zero()))
}

/// Checks a duration against its bounds, in seconds, unless it says never.
pub(super) fn span_or_never_within(text: &str, min: u64, max: u64) -> Result<(), Wrong> {
    match span_or_never(text)? {
        None => Ok(()),
        Some(_) => span_within(text, min, max),
    }
}

/// Seconds in the largest unit that divides them.
pub(super) fn span_text(seconds: u64) -> String {
    let (unit, millis) = SPANS.iter().find(|(_, millis)| seconds > 0 && (seconds * 1000).is_multiple_of(*millis)).unwrap_or(&("s", 1000));
    format!("{}{unit}", seconds * 1000 / millis)
}

/// A number of bytes: `1048576`, `512KiB`, `1MiB`.
pub(super) fn size(text: &str) -> Result<usize, Wrong> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit.trim_start() {
        "" => Some(1),
        unit => SIZES.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor),
    };
    let bytes = digits(number).zip(factor).and_then(|(n, factor)| n.checked_mul(factor)).and_then(|n| usize::try_from(n).ok());
    match bytes {
        Some(bytes) => Ok(bytes),
        None => wrong("is not a size", "use bytes or a unit: `1048576`, `512KiB`, `1MiB`, `1GiB`"),
    }
}

/// Checks a size against its bounds, in bytes.
pub(super) fn size_within(text: &str, min: u64, max: u64) -> Result<(), Wrong> {
    let bytes = u64::try_from(size(text)?).unwrap_or(u64::MAX);
    if (min..=max).contains(&bytes) {
        return Ok(());
    }
    let bounds = format!("{} to {}", size_text(min), size_text(max));
    wrong(format!("is outside {bounds}"), format!("use a size from {bounds}"))
}

/// Bytes in the largest unit that divides them.
pub(super) fn size_text(bytes: u64) -> String {
    let (unit, factor) = SIZES.iter().find(|(_, factor)| bytes.is_multiple_of(*factor)).unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / factor)
}

/// So many per window: `100/15m`.
pub(super) fn rate(text: &str) -> Result<Budget, Wrong> {
    let (limit, window) = per(text)?;
    match u32::try_from(limit) {
        Ok(limit) => Ok(Budget { limit, window }),
        Err(_) => wrong("allows more than can be counted", format!("use a limit up to {}", u32::MAX)),
    }
}

/// Both sides of `amount/window`; neither may be zero.
pub(super) fn per(text: &str) -> Result<(u64, Duration), Wrong> {
    const EXAMPLE: &str = "write how many per how long, such as `100/15m`";
    let parts = text.trim().split_once('/').and_then(|(amount, window)| Some((digits(amount.trim())?, span(window).ok()?)));
    match parts {
        Some((amount, window)) if amount > 0 && window >= Duration::from_secs(1) => Ok((amount, window)),
        Some(_) => wrong("counts to nothing", "use an amount of at least 1 and a window of at least 1s, such as `100/15m`"),
        None => wrong("is not a rate", EXAMPLE),
    }
}

/// The trimmed parts of a comma-separated list; empty ones are left out.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
