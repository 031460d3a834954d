//! The directory: one person by id or address, or a page of them, for those who run the installation.
//!
//! Names stand sealed, so no index finds them: a search by name opens accounts one page at a time, newest
//! first, and stops after a bounded number of them.

use uuid::Uuid;

use super::email::{Email, EmailError};
use super::status::Status;
use super::store::{self, UserRow};
use super::view::PersonView;
use crate::ground::Ground;
use crate::secret::SealError;

/// Rows read at a time.
const BATCH: usize = 200;
/// Accounts that one search by name opens at most; the next one goes on from there.
const SEARCHED_MAX: usize = 10_000;

/// How an account is named.
#[derive(Clone, Debug)]
pub enum Who {
    /// By id.
    Id(Uuid),
    /// By address.
    Email(Email),
}

impl Who {
    /// Reads an id or an address.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(typed: &str) -> Result<Self, EmailError> {
        match Uuid::try_parse(typed.trim()) {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => Email::parse(typed).map(Self::Email),
        }
    }
}

/// An account: its row, and what was sealed in it.
pub struct Entry {
    /// As it is stored.
    pub row: UserRow,
    /// As it is shown.
    pub view: PersonView,
}

/// Which accounts to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Exactly this address, or a part of the name in whatever case.
    pub query: Option<String>,
    /// Only in this state.
    pub status: Option<Status>,
    /// Deleted ones too; those in `status` are always listed.
    pub deleted: bool,
}

/// Accounts, newest first.
pub struct Page {
    /// The accounts.
    pub people: Vec<Entry>,
    /// There may be more before (older than) this one.
    pub next: Option<Uuid>,
}

/// One account, in whatever state; `None` when there is none (any more).
///
/// # Errors
/// The store or the keyring does not answer.
pub async fn find(ground: &Ground, who: &Who) -> Result<Option<Entry>, SealError> {
    let row = match who {
        Who::Id(id) => store::find(&ground.db, *id).await?,
        Who::Email(email) => store::find_by_email(&ground.db, ground.keyring.blind_index("email", email.as_str())).await?,
    };
    let Some(row) = row else { return Ok(None) };
    match ground.keyring.get(row.id).await {
        Ok(key) => Ok(Some(Entry { view: PersonView::open(&row, &key)?, row })),
        // Erased between the two reads.
        Err(SealError::Erased) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Up to `limit` accounts that pass `filter`, older than `before`.
///
/// # Errors
/// The store or the keyring does not answer.
pub async fn list(ground: &Ground, filter: &Filter, before: Option<Uuid>, limit: usize) -> Result<Page, SealError> {
    let query = filter.query.as_deref().map(str::trim).filter(|query| !query.is_empty());
    if let Some(Ok(email)) = query.map(Email::parse) {
        let found = find(ground, &Who::Email(email)).await?;
        let people = found.filter(|entry| passes(&entry.view, filter)).into_iter().collect();
        return Ok(Page { people, next: None });
    }
    let needle = query.map(str::to_lowercase);
    let deleted = filter.deleted || filter.status == Some(Status::Deleted);
    let (mut people, mut before, mut searched) = (Vec::new(), before, 0);
    loop {
        // One more than asked for tells whether there are more.
        let rows = if needle.is_some() { BATCH } else { BATCH.min(limit - people.len() + 1) };
        let page = store::list(&ground.db, before, filter.status, deleted, i64::try_from(rows).unwrap_or(i64::MAX)).await?;
        let ids: Vec<Uuid> = page.iter().map(|row| row.id).collect();
        let keys = ground.keyring.get_many(&ids).await?;
        let seen = page.len();
        for row in page {
            if people.len() == limit {
                return Ok(Page { people, next: before });
            }
            before = Some(row.id);
            // Without a key: being erased at this moment.
            let Some(key) = keys.get(&row.id) else { continue };
            let view = PersonView::open(&row, key)?;
            if needle.as_deref().is_none_or(|needle| view.name.to_lowercase().contains(needle)) {
                people.push(Entry { row, view });
            }
        }
        searched += seen;
        if seen < rows {
            return Ok(Page { people, next: None });
        }
        if needle.is_some() && searched >= SEARCHED_MAX {
            return Ok(Page { people, next: before });
        }
    }
}

fn passes(view: &PersonView, filter: &Filter) -> bool {
    match filter.status {
        Some(status) => view.status == status,
        None => filter.deleted || view.status != Status::Deleted,
    }
}
