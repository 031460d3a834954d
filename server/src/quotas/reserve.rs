//! Work whose cost is known only afterwards: hold units back, then commit what it cost, or release them.
//!
//! A reservation counts like use until it is settled or expires. That it has expired needs nobody who notices: expired ones are not in
//! the sum that is asked for whenever it matters, so those of an instance that was killed bar nobody for longer than they said.
//! It belongs to the period and the day in which it was made, also when it is committed in the next one.
//!
//! Committing less than was reserved gives the rest back. Committing more takes the rest as any other consumer would: when it does not
//! fit, nothing changes and the reservation stays open, so that the caller may commit what was reserved. Settling is idempotent.

use std::time::Duration;

use uuid::Uuid;

use super::ask::Ask;
use super::consume::{consumed, refused_already, settled, taken, tell};
use super::counter::{Counter, DayUse, Take, Verdict};
use super::refusal::refused;
use super::reservation_store::{self, COMMITTED, OPEN_STATE, RELEASED, Stored};
use super::store;
use crate::app::App;
use crate::audit::{self, Actor};
use crate::db::Tx;
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::http::guard::Subject;
use crate::time::Timestamp;

/// How long a reservation lives unless the caller says otherwise.
pub(super) const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// How long it lives at most.
pub(super) const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Holds `amount` units back for `lifetime`; `by` alone may settle them. Once for all requests that `receipt` names.
///
/// # Errors
/// As for consuming.
pub(super) async fn reserve(
    app: &App,
    ask: &Ask,
    (amount, lifetime): (i64, Duration),
    by: Subject,
    receipt: Option<Uuid>,
) -> Result<(Stored, Counter), Problem> {
    let ground = &app.ground;
    let (id, expires_at) = (ground.random.uuid(ask.now), ask.now.plus(lifetime));
    let take = Take::Reserve(amount, expires_at);
    if receipt.is_none()
        && let Some(counter) = refused_already(app, ask, take).await?
    {
        return Err(refused(ask, take, &counter));
    }
    let (this, asked) = (ground.clone(), ask.clone());
    let work = async move |tx: &mut Tx| {
        if let Some(before) = reservation_store::by_receipt(tx, receipt, asked.now).await? {
            return Ok((before, settled(tx, &asked).await?.ok_or(Code::NotFound)?, true));
        }
        let (counter, fits) = taken(tx, &this, &asked, take, by.into()).await?;
        let stored = Stored::new(id, &asked, &counter, amount, expires_at);
        if fits {
            reservation_store::insert(tx, &stored, by.id(), receipt).await?;
        }
        Ok::<_, Problem>((stored, counter, fits))
    };
    match ground.db.write(work).await? {
        (stored, counter, true) => {
            if stored.id == id {
                count(&stored.quota, "made");
            }
            Ok((stored, counter))
        }
        (_, counter, false) => Err(refused(ask, take, &counter)),
    }
}

/// How a reservation ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The work cost so many units.
    Commit(i64),
    /// There was no work.
    Release,
}

/// What settling came to.
enum Settled {
    Now(Stored, Counter),
    /// It was settled in the same way before.
    Before(Stored, Counter),
    /// What is beyond the reservation does not fit.
    Refused(Take, Counter),
    /// It was settled otherwise before.
    Otherwise,
    Expired,
    Gone,
}

/// Settles the reservation that `by` made and `found` is about.
///
/// # Errors
/// `quota_exceeded` when more is committed than was reserved and the rest does not fit; `conflict` when it was settled otherwise before;
/// `gone` when it has expired and is to be committed.
pub(super) async fn settle(app: &App, ask: &Ask, found: &Stored, end: End, by: Subject) -> Result<(Stored, Counter), Problem> {
    let (ground, asked, id) = (app.ground.clone(), ask.clone(), found.id);
    let work = async move |tx: &mut Tx| settle_held(tx, &ground, &asked, id, end, by).await;
    match app.ground.db.write(work).await? {
        Settled::Now(stored, counter) => {
            match end {
                End::Commit(amount) => consumed(ask, amount),
                End::Release => {}
            }
            count(&stored.quota, if matches!(end, End::Release) { RELEASED } else { COMMITTED });
            Ok((stored, counter))
        }
        Settled::Before(stored, counter) => Ok((stored, counter)),
        Settled::Refused(take, counter) => Err(refused(ask, take, &counter)),
        Settled::Otherwise => Err(Problem::new(Code::Conflict).detail("This reservation was settled before, in another way.")),
        Settled::Expired => Err(Problem::new(Code::Gone).detail("This reservation has expired. Consume what the work cost.")),
        Settled::Gone => Err(Code::NotFound.into()),
    }
}

/// The same under the lock of the row, which all who change reservations of this person and quota hold.
async fn settle_held(tx: &mut Tx, ground: &Ground, ask: &Ask, id: Uuid, end: End, by: Subject) -> Result<Settled, Problem> {
    let Some(mut counter) = settled(tx, ask).await? else { return Ok(Settled::Gone) };
    let Some(mut stored) = reservation_store::find_in(tx, id, by.id()).await? else { return Ok(Settled::Gone) };
    let (state, amount) = match end {
        End::Commit(amount) => (COMMITTED, amount),
        End::Release => (RELEASED, 0),
    };
    if stored.state != OPEN_STATE {
        let same = stored.state == state && stored.committed == amount;
        return Ok(if same { Settled::Before(stored, counter) } else { Settled::Otherwise });
    }
    if stored.expires_at <= counter.settled_at {
        // Nothing is held any more, which is what releasing wants.
        return Ok(if matches!(end, End::Release) { Settled::Before(stored, counter) } else { Settled::Expired });
    }
    let limit = counter.limit(ask.configured, ask.now);
    let beyond = (amount - stored.amount).max(0);
    if beyond > 0 && !counter.fits(beyond, limit) {
        let tells = !std::mem::replace(&mut counter.exceeded, true);
        counter.day_limit = limit;
        store::write(tx, ask, &counter).await?;
        if tells {
            tell(tx, ground, ask, &counter, audit::QUOTA_EXCEEDED, Actor::from(by)).await?;
        }
        return Ok(Settled::Refused(Take::Use(beyond), counter));
    }
    if !reservation_store::settle(tx, id, state, amount, counter.settled_at).await? {
        return Ok(Settled::Otherwise);
    }
    let warns = count_committed(tx, ask, &mut counter, &stored, amount, limit).await?;
    store::write(tx, ask, &counter).await?;
    if warns {
        tell(tx, ground, ask, &counter, audit::QUOTA_WARNED, by.into()).await?;
    }
    (stored.state, stored.committed) = (state.to_owned(), amount);
    Ok(Settled::Now(stored, counter))
}

/// Gives back what was held and counts what was used: where it was reserved, and what is beyond that now. Whether the threshold was come
/// to for the first time.
async fn count_committed(tx: &mut Tx, ask: &Ask, counter: &mut Counter, stored: &Stored, amount: i64, limit: i64) -> Result<bool, Problem> {
    let within = amount.min(stored.amount);
    if stored.period_start == counter.period_start {
        counter.give_back(stored.amount);
        counter.used += within;
    }
    if stored.day == counter.day {
        counter.day_used += within;
    } else if within > 0 {
        store::add_day(tx, ask, DayUse { day: stored.day, used: within, limit }).await?;
    }
    counter.day_limit = limit;
    if amount > within {
        let verdict = counter.take(Take::Use(amount - within), limit, ask.warn_percent);
        return Ok(matches!(verdict, Verdict::Taken { tells: true }));
    }
    Ok(counter.comes_to_threshold(limit, ask.warn_percent))
}

/// The reservation that `by` made.
///
/// # Errors
/// `not_found`: there is none, or somebody else made it.
pub(super) async fn made_by(app: &App, id: Uuid, by: Subject) -> Result<Stored, Problem> {
    reservation_store::find(&app.ground.db, id, by.id()).await?.ok_or_else(|| Code::NotFound.into())
}

/// The state that is shown at `now`.
pub(super) fn state_at(stored: &Stored, now: Timestamp) -> &str {
    if stored.state == OPEN_STATE && stored.expires_at <= now { "expired" } else { &stored.state }
}

fn count(quota: &str, outcome: &'static str) {
    metrics::counter!("keystead_quota_reservations_total", "outcome" => outcome, "quota" => quota.to_owned()).increment(1);
}
