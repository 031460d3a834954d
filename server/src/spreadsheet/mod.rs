//! Tables for spreadsheets (RFC 4180), in one place for everything that is exported: UTF-8, lines that end with CR LF, and nothing
//! in a cell that a spreadsheet would compute.
//!
//! Knows no other part, and owns no table.

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
            for cell in row {
                writer.write_field(self.shown(cell).as_ref()).map_err(|error| Unwritten(error.to_string()))?;
            }
            writer.write_record(None::<&[u8]>).map_err(|error| Unwritten(error.to_string()))?;
        }
        writer.flush().map_err(|error| Unwritten(error.to_string()))
    }

    fn shown(self, cell: &Cell) -> std::borrow::Cow<'_, str> {
        match cell {
            Cell::Text(text) => neutral(text),
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

/// `text` so that no spreadsheet computes it: an apostrophe before it makes it text. A plain number computes nothing and stays one.
fn neutral(text: &str) -> std::borrow::Cow<'_, str> {
    // Some skip blanks, and what nobody sees, before they look.
    let begin = text.trim_start_matches(UNSEEN);
    if begin.starts_with(COMPUTES) && !is_number(text) { format!("'{text}").into() } else { text.into() }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, decimals].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
