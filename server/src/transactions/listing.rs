//! Lists: which transactions, in which order, and how a page is found without looking at all of them.
//!
//! A page goes along an index. What no index narrows is looked for in a bounded number of rows, so that a page costs no more however
//! many there are: it may then be short, or empty, and not the last. A search goes from the rarest of its words, or, when none is
//! rare, along the index of the order.

use std::ops::Range;

use uuid::Uuid;

use super::body::{CATEGORY_MAX, EARLIEST, Kind, LATEST};
use super::content::{Word, category_index, word_indexes};
use super::list_store as store;
use super::money::Currency;
use super::store::Stored;
use crate::db::{Db, DbError};
use crate::error::{Code, Problem};
use crate::http::keyset::Place;
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// Rows that one page looks at for those that are asked for.
pub(super) const LOOKED_AT: i64 = 5_000;
/// A word that stands in no more transactions than this is rare.
pub(super) const RARE: i64 = 2_000;
/// Words that a search can have.
pub(super) const QUERY_WORDS: usize = 6;
const QUERY_MAX: usize = 200;

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    OccurredAt,
    /// Newest first.
    #[default]
    OccurredAtDown,
    /// Smallest number first, whatever the currency.
    Amount,
    /// Largest number first.
    AmountDown,
    /// Written down first, first.
    CreatedAt,
    /// Written down last, first.
    CreatedAtDown,
}

impl Order {
    const ALL: [Self; 6] = [Self::OccurredAt, Self::OccurredAtDown, Self::Amount, Self::AmountDown, Self::CreatedAt, Self::CreatedAtDown];

    /// As it is written in a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OccurredAt => "occurredAt",
            Self::OccurredAtDown => "-occurredAt",
            Self::Amount => "amount",
            Self::AmountDown => "-amount",
            Self::CreatedAt => "createdAt",
            Self::CreatedAtDown => "-createdAt",
        }
    }

    pub(super) const fn is_down(self) -> bool {
        matches!(self, Self::OccurredAtDown | Self::AmountDown | Self::CreatedAtDown)
    }

    pub(super) const fn is_by_time(self) -> bool {
        matches!(self, Self::OccurredAt | Self::OccurredAtDown)
    }

    /// Where `row` stands in it.
    pub(super) const fn place(self, row: &Stored) -> Place {
        let key = match self {
            Self::OccurredAt | Self::OccurredAtDown => row.occurred_at.as_micros(),
            Self::Amount | Self::AmountDown => row.currency.value(row.amount),
            Self::CreatedAt | Self::CreatedAtDown => row.created_at.as_micros(),
        };
        Place { key, id: row.id }
    }
}

/// What narrows a list, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// From this instant on (RFC 3339).
    pub from: Option<String>,
    /// Before this instant (RFC 3339).
    pub to: Option<String>,
    /// `income` or `expense`.
    pub kind: Option<String>,
    /// The category by name; empty: without one.
    pub category: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Words of the description.
    pub query: Option<String>,
    /// Deleted ones as well.
    pub include_deleted: bool,
    /// The order, as [`Order::as_str`] writes it.
    pub sort: Option<String>,
}

/// What narrows a list.
#[derive(Clone, Debug)]
pub struct Selection {
    pub(super) order: Order,
    pub(super) time: Range<Timestamp>,
    pub(super) kind: Option<Kind>,
    pub(super) currency: Option<Currency>,
    category: Option<String>,
    query: Option<String>,
    pub(super) deleted: bool,
}

/// The same with blind indexes in the place of what is personal.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub selection: Selection,
    pub category: Option<Vec<u8>>,
    /// All of them; none where no words are asked for.
    pub words: Vec<Word>,
    /// A search without a word finds nothing.
    nothing: bool,
}

impl Selection {
    /// Checks what was typed; everything that is wrong at once.
    ///
    /// # Errors
    /// `invalid_request` with each parameter that cannot be read.
    pub fn check(typed: &Typed) -> Result<Self, Problem> {
        let mut problem = Problem::new(Code::InvalidRequest);
        let mut refuse = |field: &'static str, code: &'static str, message: &'static str| {
            problem.errors.push(crate::error::FieldError { field: field.into(), code, message: message.into() });
        };
        let time = times(typed.from.as_deref(), typed.to.as_deref(), &mut refuse);
        let order =
            typed.sort.as_deref().map_or(Some(Order::default()), |sort| Order::ALL.into_iter().find(|order| order.as_str() == sort));
        if order.is_none() {
            refuse("sort", "unknown", "Use occurredAt, amount or createdAt, with a minus in front for the other direction.");
        }
        let kind = typed.kind.as_deref().map(|kind| Kind::parse(kind).ok_or(())).transpose();
        if kind.is_err() {
            refuse("kind", "unknown", "Use income or expense.");
        }
        let currency = typed.currency.as_deref().map(|code| Currency::parse(code).ok_or(())).transpose();
        if currency.is_err() {
            refuse("currency", "unknown_currency", "Use a code of ISO 4217 with a minor unit, such as EUR.");
        }
        if typed.category.as_ref().is_some_and(|category| category.chars().count() > CATEGORY_MAX) {
            refuse("category", "too_long", "A category has at most 64 characters.");
        }
        let query = typed.query.as_deref().map(str::trim).filter(|query| !query.is_empty());
        if query.is_some_and(|query| query.chars().count() > QUERY_MAX || super::words::words(query).len() > QUERY_WORDS) {
            refuse("query", "too_long", "Use at most six words, and 200 characters.");
        }
        match (order, kind, currency) {
            (Some(order), Ok(kind), Ok(currency)) if problem.errors.is_empty() => Ok(Self {
                order,
                time,
                kind,
                currency,
                category: typed.category.clone(),
                query: query.map(str::to_owned),
                deleted: typed.include_deleted,
            }),
            _ => Err(problem),
        }
    }

    /// The order.
    pub const fn order(&self) -> Order {
        self.order
    }

    /// For the transactions of the person whose key this is.
    pub(super) fn keyed(self, key: &PersonKey) -> Filter {
        let category = self.category.as_deref().map(str::trim);
        let category = category.map(|label| if label.is_empty() { Vec::new() } else { category_index(key, label) });
        let words = self.query.as_deref().map(|query| word_indexes(key, query));
        Filter { category, nothing: words.as_ref().is_some_and(Vec::is_empty), words: words.unwrap_or_default(), selection: self }
    }
}

/// Reads the two ends of a period; `refuse` hears of what cannot be read.
pub(super) fn times(
    from: Option<&str>,
    to: Option<&str>,
    refuse: &mut impl FnMut(&'static str, &'static str, &'static str),
) -> Range<Timestamp> {
    let mut read = |field, typed: Option<&str>, otherwise| match typed.map(Timestamp::parse_rfc3339) {
        None => otherwise,
        Some(Some(at)) => at.clamp(EARLIEST, LATEST),
        Some(None) => {
            refuse(field, "invalid_time", "Write the time as in 2026-05-01T12:00:00Z (RFC 3339).");
            otherwise
        }
    };
    let (from, to) = (read("from", from, EARLIEST), read("to", to, LATEST));
    if to < from {
        refuse("to", "before_from", "The end of the period lies before its beginning.");
    }
    from..to.max(from)
}

impl Filter {
    /// Whether only the order, its ends and deleted ones matter: then each row that is looked at is one of the page.
    pub(super) fn is_plain(&self) -> bool {
        let Selection { order, time, kind, currency, .. } = &self.selection;
        let all_times = order.is_by_time() || (time.start == EARLIEST && time.end == LATEST);
        all_times && kind.is_none() && currency.is_none() && self.category.is_none() && self.words.is_empty()
    }

    /// The whole of the list behind `after`.
    pub(super) fn bounds(&self, after: Option<Place>) -> Bounds {
        let Selection { order, time, .. } = &self.selection;
        let (first, last) = match order.is_by_time() {
            true => (time.start.as_micros(), time.end.as_micros() - 1),
            false => (i64::MIN, i64::MAX),
        };
        let (mut low, mut high) = (Place { key: first, id: Uuid::nil() }, Place { key: last, id: Uuid::max() });
        match after {
            Some(after) if order.is_down() => high = after,
            Some(after) => low = after,
            None => {}
        }
        Bounds { low, high, begun: after.is_some() }
    }
}

/// Between which places; the one that a page begins behind is not in it once there was a page before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub low: Place,
    pub high: Place,
    pub begun: bool,
}

/// A page of rows.
pub(super) struct Found {
    pub rows: Vec<Stored>,
    /// There may be more behind this place.
    pub next: Option<Place>,
}

/// Up to `limit` transactions of `owner` that pass `filter`, behind `after`.
pub(super) async fn find(db: &Db, owner: Uuid, filter: &Filter, after: Option<Place>, limit: u32) -> Result<Found, DbError> {
    if filter.nothing || filter.selection.time.is_empty() {
        return Ok(Found { rows: Vec::new(), next: None });
    }
    let bounds = filter.bounds(after);
    // One more than asked for tells whether there are more.
    let wanted = i64::from(limit) + 1;
    if filter.is_plain() {
        return Ok(page(filter, store::plain(db, owner, filter, bounds, wanted).await?, limit, None));
    }
    if let Some(word) = rarest(db, owner, &filter.words).await? {
        return Ok(page(filter, store::with_word(db, owner, filter, word, bounds, wanted).await?, limit, None));
    }
    let stop = store::stop(db, owner, filter, bounds, LOOKED_AT).await?;
    let bounds = match stop {
        Some(stop) if filter.selection.order.is_down() => Bounds { low: stop, ..bounds },
        Some(stop) => Bounds { high: stop, ..bounds },
        None => bounds,
    };
    Ok(page(filter, store::filtered(db, owner, filter, bounds, wanted).await?, limit, stop))
}

/// The rarest of `words`, when it is rare at all.
async fn rarest(db: &Db, owner: Uuid, words: &[Word]) -> Result<Option<Word>, DbError> {
    if words.is_empty() {
        return Ok(None);
    }
    let counts = store::count_words(db, owner, words, RARE + 1).await?;
    let rarest = counts.into_iter().min_by_key(|(_, count)| *count);
    Ok(rarest.filter(|(_, count)| *count <= RARE).map(|(word, _)| word))
}

/// Up to `limit` of `rows`; when there are not more, whatever is behind `stop` was not looked at.
fn page(filter: &Filter, mut rows: Vec<Stored>, limit: u32, stop: Option<Place>) -> Found {
    let limit = limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(|row| filter.selection.order.place(row)) } else { stop };
    Found { rows, next }
}
