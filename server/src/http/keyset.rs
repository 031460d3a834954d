//! Lists in an order of the caller's choice: a cursor names the last row a page showed by the number it is sorted by and its id, so
//! rows that come or go elsewhere never shift the next page. For lists by id alone there is [`super::page`].

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::page::{DEFAULT_LIMIT, List, MAX_LIMIT};
use crate::error::{Code, Problem};
use crate::secret::{KeyId, Purpose, RootKeys};

/// Where a row stands in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is sorted by.
    pub key: i64,
    /// Tells rows apart that have the same.
    pub id: Uuid,
}

/// A checked request for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysetPage {
    /// How many rows, 1 to 200.
    pub limit: u32,
    /// The last row of the page before.
    pub after: Option<Place>,
}

impl KeysetPage {
    /// Checks the limit and opens the cursor, which must have been made for the same list in the same order; `list` names both.
    ///
    /// # Errors
    /// `invalid_request` that names the parameter.
    pub fn check(limit: Option<u32>, cursor: Option<&str>, roots: &RootKeys, list: &[&[u8]]) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::new(Code::InvalidRequest).field("limit", "out_of_range", "Use a number from 1 to 200."));
        }
        let foreign = || {
            let message = "This cursor is not from this list in this order. Start again without one.";
            Problem::new(Code::InvalidRequest).field("cursor", "invalid", message)
        };
        let after = cursor.map(|text| open(roots, list, text).ok_or_else(foreign)).transpose()?;
        Ok(Self { limit, after })
    }
}

/// A page as it is answered; the next one goes on behind `next`, which need not be among the rows.
pub fn answer<T>(roots: &RootKeys, list: &[&[u8]], items: Vec<T>, next: Option<Place>) -> List<T> {
    List { items, next_cursor: next.map(|place| seal(roots, list, place)) }
}

const KEY: usize = 4;
const PLACE: usize = 8 + 16;
const TAG: usize = 12;

fn seal(roots: &RootKeys, list: &[&[u8]], place: Place) -> String {
    let place = [&place.key.to_be_bytes()[..], place.id.as_bytes()].concat();
    let (key, tag) = roots.mac(Purpose::Cursor, &[&[&place[..]], list].concat());
    BASE64_URL_SAFE_NO_PAD.encode([&key[..], &place, &tag[..TAG]].concat())
}

fn open(roots: &RootKeys, list: &[&[u8]], text: &str) -> Option<Place> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == KEY + PLACE + TAG)?;
    let key: KeyId = bytes[..KEY].try_into().ok()?;
    let (place, tag) = bytes[KEY..].split_at(PLACE);
    let expected = roots.mac_with(key, Purpose::Cursor, &[&[place], list].concat())?;
    let same: bool = subtle::ConstantTimeEq::ct_eq(&expected[..TAG], tag).into();
    let number = i64::from_be_bytes(place[..8].try_into().ok()?);
    same.then_some(Place { key: number, id: Uuid::from_slice(&place[8..]).ok()? })
}
