//! How a refusal is said: how much is left, and when it is worth asking again.

use super::ask::Ask;
use super::counter::{Counter, Take};
use crate::error::{Code, Problem};

/// The refusal of `take` by what `counter` says.
pub(super) fn refused(ask: &Ask, take: Take, counter: &Counter) -> Problem {
    metrics::counter!("keystead_quota_refused_total", "quota" => ask.name.clone()).increment(1);
    let limit = counter.limit(ask.configured, ask.now);
    if take.amount() > limit {
        // Nothing to wait for: whoever came again would be refused for ever.
        let detail = format!("The quota `{}` has a limit of {limit}, and this takes {} at once. Ask for less.", ask.name, take.amount());
        return Problem::new(Code::QuotaExceeded).detail(detail);
    }
    let left = limit.saturating_sub(counter.used).saturating_sub(counter.reserved).max(0);
    let resets_at = ask.resets_at(counter.period_start);
    // What others hold back may be free again before the period ends.
    let free_by_expiry = counter.reserved > 0 && take.amount() <= limit.saturating_sub(counter.used);
    let when = if free_by_expiry && counter.reserved_until > ask.now { counter.reserved_until.min(resets_at) } else { resets_at };
    let detail = format!(
        "The quota `{}` has {left} of {limit} left, which is less than the {} that this takes. It resets at {resets_at}.",
        ask.name,
        take.amount()
    );
    Problem::new(Code::QuotaExceeded).detail(detail).retry_after(when.since(ask.now))
}
