//! What was measured, as a table.

use std::fmt;

/// One line.
pub struct Row {
    /// What was measured.
    pub name: String,
    /// What the server does.
    pub ours: String,
    /// What it is compared with.
    pub baseline: String,
    /// One over the other.
    pub ratio: Option<f64>,
    /// What was promised.
    pub target: String,
    /// Whether it holds.
    pub met: bool,
    /// Processor time of the server per operation, in milliseconds.
    pub cpu_ms: Option<f64>,
}

/// All lines; shown as Markdown.
#[derive(Default)]
pub struct Table(pub Vec<Row>);

const HEADS: [&str; 7] = ["Measured", "Keystead", "Baseline", "Ratio", "Target", "Met", "CPU ms/op"];

impl Row {
    fn cells(&self) -> [String; 7] {
        let number = |value: Option<f64>, digits: usize| value.map_or_else(String::new, |value| format!("{value:.digits$}"));
        let met = if self.met { "yes" } else { "**no**" };
        let (ratio, cpu) = (number(self.ratio, 2), number(self.cpu_ms, 4));
        [self.name.clone(), self.ours.clone(), self.baseline.clone(), ratio, self.target.clone(), met.to_owned(), cpu]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 7]> = self.0.iter().map(Row::cells).collect();
        let heads = HEADS.map(str::to_owned);
        let widths: Vec<usize> =
            (0..heads.len()).map(|column| rows.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
            for (cell, width) in cells.iter().zip(&widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")
        };
        line(f, &heads)?;
        line(f, &widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>())?;
        rows.iter().try_for_each(|row| line(f, row))
    }
}

/// `12,345`.
pub fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The one in the middle of what was measured in several rounds.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
