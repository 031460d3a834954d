//! What spreadsheets are given.

use keystead::spreadsheet::{Cell, Decimal, Delimiter, Dialect};
use proptest::prelude::*;

fn written(dialect: Dialect, rows: &[Vec<Cell>]) -> String {
    let mut out = dialect.begin().to_vec();
    dialect.write(&mut out, rows.iter().map(Vec::as_slice)).unwrap();
    String::from_utf8(out).unwrap()
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn number(text: &str) -> Cell {
    Cell::Number(text.to_owned())
}

#[test]
fn rows_are_written_as_rfc_4180_says() {
    let rows =
        vec![vec![text("a"), text("b,c"), Cell::Empty, number("-12.50")], vec![text("say \"hi\""), text("two\r\nlines"), text("é 日本")]];
    assert_eq!(written(Dialect::default(), &rows), "a,\"b,c\",,-12.50\r\n\"say \"\"hi\"\"\",\"two\r\nlines\",é 日本\r\n");
}

#[test]
fn the_other_dialect_is_that_of_the_comma() {
    let european = Dialect { bom: true, delimiter: Delimiter::Semicolon, decimal: None };
    let rows = vec![vec![text("a;b"), text("c,d"), number("-1234.50")]];
    assert_eq!(written(european, &rows), "\u{feff}\"a;b\";c,d;-1234,50\r\n");
    let point = Dialect { decimal: Some(Decimal::Point), bom: false, ..european };
    assert_eq!(written(point, &rows), "\"a;b\";c,d;-1234.50\r\n");
    let comma = Dialect { decimal: Some(Decimal::Comma), ..Dialect::default() };
    assert_eq!(written(comma, &rows), "a;b,\"c,d\",\"-1234,50\"\r\n");
}

#[test]
fn nothing_is_computed() {
    for formula in [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "＝1",
        "＋1+1",
        "－1",
        "＠A1",
        "\u{feff}=1",
        "\u{200b}=1",
        "-",
        "=",
        "-1e5",
        "--1",
    ] {
        let line = written(Dialect::default(), &[vec![text(formula)]]);
        assert!(line.trim_start_matches('"').starts_with('\''), "{formula:?} is written as {line:?}");
    }
    for harmless in ["-12", "-12.50", "+49", "0", "12-34", "a=b", "'quoted", "", "Ünïcode"] {
        let line = written(Dialect::default(), &[vec![text(harmless), text("x")]]);
        assert_eq!(line, format!("{harmless},x\r\n"));
    }
}

proptest! {
    /// Whatever stands in a cell, no reader sees one that begins as a formula does; and it is the same text but for the apostrophe.
    #[test]
    fn no_cell_begins_a_formula(cells in proptest::collection::vec(".*", 1..5)) {
        // Readers take a byte order mark off the beginning of a file.
        let row: Vec<Cell> = std::iter::once("x").chain(cells.iter().map(String::as_str)).map(text).collect();
        let line = written(Dialect::default(), &[row]);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let record = reader.records().next().unwrap().unwrap();
        prop_assert_eq!(record.len(), cells.len() + 1);
        for (read, cell) in record.iter().skip(1).zip(&cells) {
            let number = !read.is_empty() && read.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            prop_assert!(number || !read.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']));
            prop_assert!(read == cell || read.strip_prefix('\'') == Some(cell.as_str()));
        }
    }
}
