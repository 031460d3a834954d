//! All transactions of somebody that a selection asks for, a page at a time: for whoever writes them somewhere else.

use uuid::Uuid;

use super::listing::{Filter, Selection, find};
use super::period::Period;
use super::totals_store;
use super::view::{self, TransactionView};
use crate::error::Problem;
use crate::ground::Ground;
use crate::http::keyset::Place;
use crate::secret::PersonKey;

/// Months, each in each currency, that are counted.
const MONTHS_MAX: i64 = 20_000;
/// Rows on a page.
const PAGE: u32 = 500;
/// Rows that are counted at a time.
const COUNTED: u32 = 2_500;

/// Reads page after page in the order of its selection. What is changed meanwhile is read as it is when its page comes.
pub struct Reader {
    ground: Ground,
    owner: Uuid,
    key: PersonKey,
    filter: Filter,
    after: Option<Place>,
    done: bool,
}

impl Reader {
    /// Of `owner`'s transactions those that `selection` asks for.
    ///
    /// # Errors
    /// `gone` when the person was erased; the keyring does not answer.
    pub async fn open(ground: &Ground, owner: Uuid, selection: Selection) -> Result<Self, Problem> {
        let key = ground.keyring.get(owner).await?;
        let filter = selection.keyed(&key);
        Ok(Self { ground: ground.clone(), owner, key, filter, after: None, done: false })
    }

    /// How many there are, as far as the sums tell: only where nothing but time narrows them.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn expected(&self) -> Result<Option<u64>, Problem> {
        let selection = &self.filter.selection;
        if selection.deleted || !self.filter.is_plain() {
            return Ok(None);
        }
        let period = Period::of(selection.time.start, selection.time.end);
        let months = totals_store::by_month(&self.ground.db, self.owner, &period, MONTHS_MAX).await?;
        Ok(Some(months.iter().filter_map(|month| u64::try_from(month.count).ok()).sum()))
    }

    /// How many there are, whatever narrows them; beyond `most` it is not counted any further. Nothing of them is opened.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn count(&self, most: u64) -> Result<u64, Problem> {
        let (mut count, mut after) = (0, None);
        // Page by page, because each of them looks at a bounded number of rows.
        loop {
            let found = find(&self.ground.db, self.owner, &self.filter, after, COUNTED).await?;
            count += found.rows.len() as u64;
            after = found.next;
            if after.is_none() || count > most {
                return Ok(count);
            }
        }
    }

    /// The next page, which may be empty and not the last; `None` behind the last one.
    ///
    /// # Errors
    /// The store does not answer, or a row cannot be opened.
    pub async fn next(&mut self) -> Result<Option<Vec<TransactionView>>, Problem> {
        if self.done {
            return Ok(None);
        }
        let found = find(&self.ground.db, self.owner, &self.filter, self.after, PAGE).await?;
        (self.after, self.done) = (found.next, found.next.is_none());
        let opened = found.rows.into_iter().map(|row| view::open(row, &self.key));
        Ok(Some(opened.collect::<Result<_, _>>()?))
    }
}
