//! Units are consumed: by one conditional UPDATE, or, when that cannot decide, under the lock of the row.
//!
//! Why two ways: on PostgreSQL an UPDATE that waited for another one looks at the row again, and at nothing but the row. So the common
//! case asks only what stands in the row itself. A new day, reservations that may have expired, the threshold and refusals need more than
//! the row; for these it is locked first, and everything that is read afterwards is as it is.

use uuid::Uuid;

use super::ask::Ask;
use super::counter::{Counter, Take, Verdict};
use super::refusal::refused;
use super::reservation_store::{self, COMMITTED, Stored};
use super::store;
use crate::app::App;
use crate::audit::{self, Action, Actor, Event, Target};
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::http::guard::Subject;

/// Uses `amount` units, on behalf of `by`; once for all requests that `receipt` names.
///
/// # Errors
/// `quota_exceeded`, and nothing is used; `not_found` when there is no such person.
pub(super) async fn consume(app: &App, ask: &Ask, amount: i64, by: Subject, receipt: Option<Uuid>) -> Result<Counter, Problem> {
    let take = Take::Use(amount);
    let db = &app.ground.db;
    if receipt.is_none()
        && let Some(counter) = store::take(db, ask, take).await?
    {
        consumed(ask, amount);
        return Ok(counter);
    }
    // Whoever asks again after a crash asks about something that fitted then.
    if receipt.is_none()
        && let Some(counter) = refused_already(app, ask, take).await?
    {
        return Err(refused(ask, take, &counter));
    }
    let (ground, asked, id) = (app.ground.clone(), ask.clone(), app.ground.random.uuid(ask.now));
    let work = async move |tx: &mut Tx| {
        if reservation_store::by_receipt(tx, receipt, asked.now).await?.is_some() {
            return Ok((settled(tx, &asked).await?.ok_or(Code::NotFound)?, Done::Before));
        }
        let (counter, taken) = taken(tx, &ground, &asked, take, by.into()).await?;
        if taken && receipt.is_some() {
            let record = Stored { state: COMMITTED.to_owned(), committed: amount, ..Stored::new(id, &asked, &counter, amount, asked.now) };
            reservation_store::insert(tx, &record, by.id(), receipt).await?;
        }
        Ok::<_, Problem>((counter, if taken { Done::Now } else { Done::Nothing }))
    };
    match db.write(work).await? {
        (counter, Done::Now) => {
            consumed(ask, amount);
            Ok(counter)
        }
        (counter, Done::Before) => Ok(counter),
        (counter, Done::Nothing) => Err(refused(ask, take, &counter)),
    }
}

/// What a request came to.
enum Done {
    Now,
    /// It was sent before.
    Before,
    /// It did not fit.
    Nothing,
}

/// Takes by one statement or, when that cannot decide, under the lock of the row. Whether it was taken.
pub(super) async fn taken(tx: &mut Tx, ground: &Ground, ask: &Ask, take: Take, by: Actor) -> Result<(Counter, bool), Problem> {
    match store::take_in(tx, ask, take).await? {
        Some(counter) => Ok((counter, true)),
        None => held(tx, ground, ask, take, by).await,
    }
}

/// The row, when it says by itself that `take` does not fit and that this is on record: whoever goes on asking costs a read.
pub(super) async fn refused_already(app: &App, ask: &Ask, take: Take) -> Result<Option<Counter>, Problem> {
    let counter = store::find(&app.ground.db, ask).await?;
    let current = |counter: &Counter| counter.period_start >= ask.window.start && counter.exceeded;
    let fits = |counter: &Counter| counter.fits(take.amount(), counter.limit(ask.configured, ask.now));
    Ok(counter.filter(|counter| current(counter) && !fits(counter)))
}

/// Takes under the lock of the row, and puts on record what is told once per period. Whether it was taken.
async fn held(tx: &mut Tx, ground: &Ground, ask: &Ask, take: Take, by: Actor) -> Result<(Counter, bool), Problem> {
    let mut counter = settled(tx, ask).await?.ok_or(Code::NotFound)?;
    let limit = counter.limit(ask.configured, ask.now);
    let verdict = counter.take(take, limit, ask.warn_percent);
    store::write(tx, ask, &counter).await?;
    let (taken, tells) = match verdict {
        Verdict::Taken { tells } => (true, tells.then_some(audit::QUOTA_WARNED)),
        Verdict::Refused { tells } => (false, tells.then_some(audit::QUOTA_EXCEEDED)),
    };
    if let Some(action) = tells {
        tell(tx, ground, ask, &counter, action, by).await?;
    }
    Ok((counter, taken))
}

/// The row as it is now, held until `tx` ends: of the running period and day, and with what is reserved indeed. `None` when there is no
/// such person.
pub(super) async fn settled(tx: &mut Tx, ask: &Ask) -> Result<Option<Counter>, DbError> {
    store::ensure(tx, ask).await?;
    let Some(mut counter) = store::lock(tx, ask.user, &ask.name).await? else { return Ok(None) };
    if let Some(over) = counter.roll(ask.window.start, ask.day) {
        store::add_day(tx, ask, over).await?;
        // At once: a day that was put away is put away once, whatever the caller does with the row.
        store::write(tx, ask, &counter).await?;
    }
    let at = counter.judged_at(ask.now);
    let (open, first) = reservation_store::open(tx, ask, counter.period_start, at).await?;
    counter.settle(open, first, at);
    Ok(Some(counter))
}

/// Records that a threshold was come to, or that a request was refused; called once per person, quota and period.
pub(super) async fn tell(tx: &mut Tx, ground: &Ground, ask: &Ask, counter: &Counter, action: Action, by: Actor) -> Result<(), DbError> {
    let event = Event::new(ground, action, ask.now)
        .actor(by)
        .target(Target::user(ask.user))
        .detail("quota", ask.name.clone())
        .detail("limit", counter.day_limit)
        .detail("used", counter.used)
        .detail("resetsAt", ask.resets_at(counter.period_start).to_rfc3339());
    audit::record(tx, &event).await?;
    if action == audit::QUOTA_WARNED {
        let name = ask.name.clone();
        tx.on_commit(move || metrics::counter!("keystead_quota_warnings_total", "quota" => name).increment(1));
    }
    Ok(())
}

/// Counts what was consumed, for the metrics.
pub(super) fn consumed(ask: &Ask, amount: i64) {
    metrics::counter!("keystead_quota_consumed_total", "quota" => ask.name.clone()).increment(amount.unsigned_abs());
}
