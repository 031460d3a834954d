//! Lists: `?limit=&cursor=` in, `{"items": […], "nextCursor": …}` out. A cursor names the last row a
//! page showed, so rows that come or go elsewhere never shift the next page.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::error::{Code, Problem};
use crate::secret::{KeyId, Purpose, RootKeys};

/// Rows on a page when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// The most rows a page has.
pub const MAX_LIMIT: u32 = 200;

/// The query of every list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows on the page.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    pub limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(required = false, pattern = "^[A-Za-z0-9_-]{43}$")]
    pub cursor: Option<String>,
}

/// A checked page request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many rows, 1 to 200.
    pub limit: u32,
    /// The last row of the page before.
    pub after: Option<Uuid>,
}

/// A page as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Ask with this for the next page; null on the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl PageQuery {
    /// Checks the limit and opens the cursor, which must have been made for the same list.
    pub fn check(&self, roots: &RootKeys, list: &str) -> Result<Page, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::new(Code::InvalidRequest).field("limit", "out_of_range", "Use a number from 1 to 200."));
        }
        let after = match &self.cursor {
            None => None,
            Some(text) => Some(open_cursor(roots, list, text).ok_or_else(|| {
                Problem::new(Code::InvalidRequest).field("cursor", "invalid", "This cursor is not from this list. Start again without one.")
            })?),
        };
        Ok(Page { limit, after })
    }
}

impl Page {
    /// Makes the answer from up to `limit + 1` rows: the extra one only tells that there is more.
    pub fn answer<T>(self, roots: &RootKeys, list: &str, mut items: Vec<T>, id: impl Fn(&T) -> Uuid) -> List<T> {
        let limit = self.limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|last| seal_cursor(roots, list, id(last)));
        List { items, next_cursor }
    }

    /// Makes the answer from all rows, which are in memory and have names for ids. A row that was deleted meanwhile has no place any
    /// more; its page begins anew.
    pub fn answer_from<T>(self, roots: &RootKeys, list: &str, rows: Vec<T>, place: impl Fn(&T) -> Uuid) -> List<T> {
        let last = self.after.and_then(|after| rows.iter().position(|row| place(row) == after));
        let rest = rows.into_iter().skip(last.map_or(0, |last| last + 1));
        self.answer(roots, list, rest.take(self.limit as usize + 1).collect(), place)
    }

    /// Makes the answer from rows that were searched for: the next page goes on behind `next`, which need not be among them.
    pub fn answer_until<T>(self, roots: &RootKeys, list: &str, items: Vec<T>, next: Option<Uuid>) -> List<T> {
        List { items, next_cursor: next.map(|last| seal_cursor(roots, list, last)) }
    }

    /// How many rows to read: one more than are shown.
    pub fn rows(self) -> i64 {
        i64::from(self.limit) + 1
    }
}

/// The place of a row that has a name and no id.
pub fn place_of(name: &str) -> Uuid {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&digest.as_ref()[..16]);
    Uuid::from_bytes(id)
}

const ID: usize = 16;
const KEY: usize = 4;
const TAG: usize = 12;

fn seal_cursor(roots: &RootKeys, list: &str, id: Uuid) -> String {
    let (key, tag) = roots.mac(Purpose::Cursor, &[list.as_bytes(), id.as_bytes()]);
    BASE64_URL_SAFE_NO_PAD.encode([&key[..], id.as_bytes(), &tag[..TAG]].concat())
}

fn open_cursor(roots: &RootKeys, list: &str, text: &str) -> Option<Uuid> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == KEY + ID + TAG)?;
    let key: KeyId = bytes[..KEY].try_into().ok()?;
    let id = Uuid::from_slice(&bytes[KEY..KEY + ID]).ok()?;
    let expected = roots.mac_with(key, Purpose::Cursor, &[list.as_bytes(), id.as_bytes()])?;
    let same = subtle::ConstantTimeEq::ct_eq(&expected[..TAG], &bytes[KEY + ID..]);
    bool::from(same).then_some(id)
}
