//! Exports for people: PDF of A4 pages that can be printed, searched and read to somebody.
//!
//! Rows are collected first and laid out then, because each page says how many there are ([`flow`]); what a page holds is drawn and tagged
//! ([`sheet`]). Transactions are summed on the way ([`sums`]).

mod flow;
mod sheet;
mod sums;
mod text;

use serde_json::{Map, Value as Json};

use self::sums::{Sum, Sums, amount};
use super::source::{Column, Head, Piece, Row};
use crate::spreadsheet::Cell;

/// Rows that a PDF holds at most: beyond, nobody turns the pages, and a spreadsheet is the better paper.
pub const PAPER_ROWS_MAX: u64 = 20_000;
/// Bytes of text that a PDF holds at most, in UTF-8: it is collected before it is laid out.
pub const PAPER_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Something that stands below the one before.
#[derive(Debug)]
pub(super) enum Item {
    /// A heading of the document (1) or of a part (2).
    Heading(u16, String),
    /// A paragraph.
    Note(String),
    /// A table begins; its header is repeated where it goes on on another page.
    Table(Vec<Columned>),
    /// A row of the table that began last.
    Row(Vec<String>, Weight),
    /// It ends.
    TableEnd,
    /// A name and a value; true for the first of a record.
    Pair(String, String, bool),
}

/// A column as it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columned {
    pub title: String,
    pub share: f32,
    pub right: bool,
}

/// How much a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Plain,
    /// What comes before is summed here.
    Sum,
}

/// A document that is being collected.
pub(super) struct Paper {
    head: Head,
    items: Vec<Item>,
    columns: &'static [Column],
    in_table: bool,
    sums: Sums,
    month: Option<String>,
    rows: u64,
    /// Rows of the part that began last.
    of_part: u64,
    /// Bytes of text in rows.
    bytes: usize,
}

/// Why a document was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unmade {
    /// A defect of ours, or of the library.
    #[error("a PDF could not be made: {0}")]
    Defect(String),
    /// Nobody wants it any more.
    #[error("a PDF was given up")]
    Unwanted,
}

/// Whether nobody wants a document any more.
pub(super) type Unwanted<'a> = &'a (dyn Fn() -> bool + Sync);

impl Paper {
    /// An empty document of what `head` tells of.
    pub fn new(head: Head) -> Self {
        let mut items = vec![Item::Heading(1, head.title.clone())];
        items.push(Item::Pair("Owner".to_owned(), format!("{} ({})", head.owner.name, head.owner.email), true));
        items.push(Item::Pair("Period".to_owned(), head.period.clone().unwrap_or_else(|| "everything there is".to_owned()), false));
        items.extend(head.narrowed.iter().map(|narrowed| Item::Pair("Only".to_owned(), narrowed.clone(), false)));
        items.push(Item::Pair("As of".to_owned(), readable_time(&head.created_at.to_rfc3339()), false));
        Self { head, items, columns: &[], in_table: false, sums: Sums::default(), month: None, rows: 0, of_part: 0, bytes: 0 }
    }

    /// Bytes of text that it holds.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds what a source gave.
    pub fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Part { content, columns } => self.begin(content, columns),
            Piece::Row(row) => self.row(row),
        }
    }

    fn begin(&mut self, content: usize, columns: &'static [Column]) {
        self.end_part();
        if let Some(content) = self.head.contents.get(content) {
            // A document of one part has its title already.
            if self.head.contents.len() > 1 {
                self.items.push(Item::Heading(2, content.title.clone()));
            }
            self.items.push(Item::Note(content.about.clone()));
        }
        self.columns = columns;
        self.of_part = 0;
        self.in_table = !columns.is_empty();
        if self.in_table {
            let shown = columns.iter().filter(|column| column.share > 0.0);
            let shown = shown.map(|column| Columned { title: column.title.to_owned(), share: column.share, right: column.right });
            self.items.push(Item::Table(shown.collect()));
        }
    }

    fn row(&mut self, row: Row) {
        (self.rows, self.of_part) = (self.rows + 1, self.of_part + 1);
        if !self.in_table {
            self.record(&row.record);
            return;
        }
        if let Some(money) = &row.money {
            if self.month.as_ref().is_some_and(|month| *month != money.month) {
                self.end_month();
            }
            self.month = Some(money.month.clone());
            self.sums.add(money);
        }
        let shown = self.columns.iter().zip(row.cells).filter(|(column, _)| column.share > 0.0);
        let cells: Vec<String> = shown.map(|(column, cell)| text::cut(shown_cell(column, cell))).collect();
        self.bytes += cells.iter().map(String::len).sum::<usize>();
        self.items.push(Item::Row(cells, Weight::Plain));
    }

    /// A line below a month for each currency.
    fn end_month(&mut self) {
        let Some(month) = self.month.take() else { return };
        let shown: Vec<&Column> = self.columns.iter().filter(|column| column.share > 0.0).collect();
        for (currency, sum) in self.sums.of_month(&month) {
            let said = format!("Subtotal {month} ({})", rows(sum.count));
            let cells = shown.iter().enumerate().map(|(place, column)| match column.name {
                "amount" => amount(sum.net(), sum.decimals),
                "currency" => currency.to_owned(),
                _ if place == 1 => said.clone(),
                _ => String::new(),
            });
            self.items.push(Item::Row(cells.collect(), Weight::Sum));
        }
    }

    fn record(&mut self, record: &Map<String, Json>) {
        let mut first = true;
        for (name, value) in record {
            let Some(value) = readable(value).map(text::cut) else { continue };
            let name = in_words(name);
            self.bytes += name.len() + value.len();
            self.items.push(Item::Pair(name, value, first));
            first = false;
        }
    }

    fn end_part(&mut self) {
        self.end_month();
        if self.in_table {
            self.items.push(Item::TableEnd);
        }
        let begun = !self.columns.is_empty() || self.rows > 0 || matches!(self.items.last(), Some(Item::Note(_)));
        if begun && self.of_part == 0 {
            self.items.push(Item::Note("There is nothing.".to_owned()));
        }
        self.in_table = false;
    }

    /// Lays it out and writes it, unless it is `unwanted` meanwhile.
    ///
    /// # Errors
    /// It is; or a defect.
    pub fn finish(mut self, unwanted: Unwanted<'_>) -> Result<Vec<u8>, Unmade> {
        self.end_part();
        self.summary();
        let withheld: Vec<(String, String)> = self
            .head
            .contents
            .iter()
            .filter_map(|content| content.withheld.as_ref().map(|why| (content.title.clone(), format!("{} {why}", content.about))))
            .collect();
        if !withheld.is_empty() {
            self.items.push(Item::Heading(2, "What is not in here".to_owned()));
            self.items.extend(withheld.into_iter().map(|(title, why)| Item::Pair(title, why, true)));
        }
        sheet::draw(&self.head, &self.items, unwanted)
    }

    fn summary(&mut self) {
        if self.sums.totals.is_empty() {
            return;
        }
        let sums = std::mem::take(&mut self.sums);
        let months = sums.months.into_iter().map(|((month, currency), sum)| summed(month, currency, sum));
        self.table("By month", "Month", months.collect());
        let categories = sums.categories.into_iter().map(|((none, category, currency), sum)| {
            let category = if none { "without category".to_owned() } else { category };
            summed(category, currency, sum)
        });
        self.table("By category", "Category", categories.collect());
        let totals = sums.totals.into_iter().map(|(currency, sum)| summed("Total".to_owned(), currency, sum));
        self.table("In all", "", totals.collect());
    }

    fn table(&mut self, title: &str, key: &str, rows: Vec<Vec<String>>) {
        let column = |title: &str, share, right| Columned { title: title.to_owned(), share, right };
        self.items.push(Item::Heading(2, title.to_owned()));
        self.items.push(Item::Table(vec![
            column(key, 0.3, false),
            column("Rows", 0.1, true),
            column("Currency", 0.12, false),
            column("Income", 0.16, true),
            column("Expense", 0.16, true),
            column("Net", 0.16, true),
        ]));
        let weight = if key.is_empty() { Weight::Sum } else { Weight::Plain };
        self.items.extend(rows.into_iter().map(|cells| Item::Row(cells, weight)));
        self.items.push(Item::TableEnd);
    }
}

fn summed(key: String, currency: String, sum: Sum) -> Vec<String> {
    let shown = |minor| amount(minor, sum.decimals);
    vec![key, sum.count.to_string(), currency, shown(sum.income), shown(sum.expense), shown(sum.net())]
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

fn shown_cell(column: &Column, cell: Cell) -> String {
    match cell {
        // What stands above the table says that it is UTC.
        Cell::Text(text) if column.name.ends_with("At") || column.name == "at" => readable_time(&text).trim_end_matches(" UTC").to_owned(),
        Cell::Text(text) => text,
        Cell::Number(number) if column.name == "amount" => grouped(&number),
        Cell::Number(number) if column.name.ends_with("Ms") => elapsed(&number),
        Cell::Number(number) => number,
        Cell::Empty => String::new(),
    }
}

/// Milliseconds as people read them: `3723900` as `1:02:03`.
fn elapsed(millis: &str) -> String {
    let Ok(seconds) = millis.parse::<u64>().map(|millis| millis / 1000) else { return millis.to_owned() };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `-1234.50` as `-1,234.50`.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, decimals) = digits.split_once('.').map_or((digits, None), |(whole, decimals)| (whole, Some(decimals)));
    let grouped = whole.parse().map_or_else(|_| whole.to_owned(), |whole| amount(whole, 0));
    decimals.map_or_else(|| format!("{sign}{grouped}"), |decimals| format!("{sign}{grouped}.{decimals}"))
}

/// `2026-11-29T20:10:05.123456Z` as `2026-11-29 20:10:05 UTC`; midnight is a day.
fn readable_time(text: &str) -> String {
    let is_time = text.len() >= 20 && text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some("00:00:00")) if is_time => day.to_owned(),
        (Some(day), Some(time)) if is_time => format!("{day} {time} UTC"),
        _ => text.to_owned(),
    }
}

/// A value as people write it; nothing for nothing.
fn readable(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(readable_time(text)),
        Json::Array(values) if values.is_empty() => None,
        Json::Array(values) => Some(values.iter().filter_map(readable).collect::<Vec<_>>().join(", ")),
        Json::Object(members) if members.is_empty() => None,
        Json::Object(members) => {
            let each = members.iter().filter_map(|(name, value)| readable(value).map(|value| format!("{}: {value}", in_words(name))));
            Some(each.collect::<Vec<_>>().join("; "))
        }
    }
}

/// `emailVerifiedAt` as `Email verified at`.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        match letter {
            letter if words.is_empty() => words.extend(letter.to_uppercase()),
            letter if letter.is_uppercase() => {
                words.push(' ');
                words.extend(letter.to_lowercase());
            }
            letter => words.push(letter),
        }
    }
    words
}
