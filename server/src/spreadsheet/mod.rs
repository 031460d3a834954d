//! Tables for spreadsheets (RFC 4180), in one place for everything that is exported: UTF-8, lines that end with CR LF, and nothing
//! in a cell that a spreadsheet would compute.
//!
//! Knows no other part, and owns no table.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a spreadsheet takes for the beginning of a formula, in full width too: those that convert it do so before they look.
const COMPUTES: [char; 12] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '\u{0}'];

/// Blanks and marks that nobody sees, before which a formula would still be one.
const UNSEEN: [char; 9] = [' ', '\u{a0}', '\u{3000}', '\u{feff}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{ad}'];

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dialect {
    /// Begin with a byte order mark, by which Excel recognises UTF-8.
    #[serde(default)]
    pub bom: bool,
    /// What stands between cells.
    #[serde(default)]
    pub delimiter: Delimiter,
    /// What stands before the decimals of an amount; left out, it is the comma with `;` and the point with `,`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
}

/// What stands between cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub enum Delimiter {
    /// As RFC 4180 has it.
    #[default]
    #[serde(rename = ",")]
    Comma,
    /// What spreadsheets expect where the comma is the decimal sign.
    #[serde(rename = ";")]
    Semicolon,
}

/// What stands before the decimals of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub enum Decimal {
    /// 12.34
    #[serde(rename = ".")]
    Point,
    /// 12,34
    #[serde(rename = ",")]
    Comma,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// What somebody wrote, or a word of ours.
    Text(String),
    /// A number of ours with a point before its decimals.
    Number(String),
    /// Nothing.
    Empty,
}

impl Cell {
    /// A text; nothing for none.
    pub fn text(value: Option<impl Into<String>>) -> Self {
        value.map_or(Self::Empty, |value| Self::Text(value.into()))
    }
}

/// A row that could not be written; writing to memory does not fail, so this is a defect.
#[derive(Debug, thiserror::Error)]
#[error("a row could not be written: {0}")]
pub struct Unwritten(String);

impl Dialect {
    /// The bytes before the first row.
    pub const fn begin(self) -> &'static [u8] {
        if self.bom { "\u{feff}".as_bytes() } else { b"" }
    }

    /// Appends `rows` to `out`.
    ///
    /// # Errors
    /// A defect.
    pub fn write<'a>(self, out: &mut Vec<u8>, rows: impl IntoIterator<Item = &'a [Cell]>) -> Result<(), Unwritten> {
        let delimiter = match self.delimiter {
            Delimiter::Comma => b',',
            Delimiter::Semicolon => b';',
        };
        let mut writer = csv::WriterBuilder::new();
        writer.has_headers(false).flexible(true).delimiter(delimiter).terminator(csv::Terminator::CRLF);
        let mut writer = writer.from_writer(out);
        for row in rows {
            for (place, cell) in row.iter().enumerate() {
                writer.write_field(self.shown(cell, place == 0).as_ref()).map_err(|error| Unwritten(error.to_string()))?;
            }
            writer.write_record(None::<&[u8]>).map_err(|error| Unwritten(error.to_string()))?;
        }
        writer.flush().map_err(|error| Unwritten(error.to_string()))
    }

    fn shown(self, cell: &Cell, is_first: bool) -> Cow<'_, str> {
        match cell {
            Cell::Text(text) => neutral(text, is_first),
            Cell::Number(number) if self.has_comma() => number.replace('.', ",").into(),
            Cell::Number(number) => number.into(),
            Cell::Empty => "".into(),
        }
    }

    fn has_comma(self) -> bool {
        match self.decimal {
            Some(decimal) => decimal == Decimal::Comma,
            None => self.delimiter == Delimiter::Semicolon,
        }
    }
}

/// `text` so that no spreadsheet computes it, nor a part of it: an apostrophe before what would begin a formula makes it text.
///
/// Whoever opens the file decides what stands between cells and in which way quotes are looked at: a spreadsheet of another country, or a
/// program that knows no quotes, finds the beginning of a cell behind any separator and any line break, wherever those stand.
///
/// A plain number computes nothing and stays one; not where a row begins, which may end as something else for those who find no cell in it.
fn neutral(text: &str, is_first: bool) -> Cow<'_, str> {
    if is_number(text) && !is_first {
        return text.into();
    }
    let mut marked = Vec::new();
    // Some skip blanks, and what nobody sees, before they look.
    if text.trim_start_matches(|letter| letter == '"' || UNSEEN.contains(&letter)).starts_with(COMPUTES) {
        marked.push(0);
    }
    let mut begins = false;
    for (at, letter) in text.char_indices() {
        match letter {
            // What follows a line break is looked at, so a cell may begin with one.
            ',' | ';' | '\r' | '\n' => begins = true,
            letter if begins && COMPUTES.contains(&letter) => {
                marked.push(at);
                begins = letter == '\t';
            }
            '\t' => begins = true,
            // A quote that opens and one that closes are no part of what is in a cell.
            '"' => {}
            letter if UNSEEN.contains(&letter) => {}
            _ => begins = false,
        }
    }
    if marked.is_empty() {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + marked.len());
    let mut done = 0;
    for at in marked {
        shown.push_str(&text[done..at]);
        shown.push('\'');
        done = at;
    }
    shown.push_str(&text[done..]);
    shown.into()
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, decimals].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
