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
        let line = written(Dialect::default(), &[vec![text("x"), text(harmless)]]);
        assert_eq!(line, format!("x,{harmless}\r\n"));
    }
}

/// What would be a cell of its own for whoever opens the file with another separator, or looks at no quotes.
#[test]
fn nothing_is_computed_behind_another_separator() {
    for (given, shown) in [
        ("x;=HYPERLINK(1);", "x;'=HYPERLINK(1);"),
        ("x,=1", "x,'=1"),
        ("x;=1,=2;+3", "x;'=1,'=2;'+3"),
        ("x;  =1", "x;  '=1"),
        ("x;\u{200b}@A1", "x;\u{200b}'@A1"),
        ("x;\"=1", "x;\"'=1"),
        ("x\t=1", "x\t'=1"),
        ("x,\t=1", "x,'\t'=1"),
        ("x\r\n-1+2", "x\r\n'-1+2"),
        ("x\n＝1", "x\n'＝1"),
        ("x;-5", "x;'-5"),
        ("=1;=2", "'=1;'=2"),
        ("a, b; c\r\nd\te", "a, b; c\r\nd\te"),
        ("Street 1,\r\nTown", "Street 1,\r\nTown"),
        ("1-2, x=y; mailto:a@b", "1-2, x=y; mailto:a@b"),
    ] {
        for delimiter in [Delimiter::Comma, Delimiter::Semicolon] {
            let dialect = Dialect { delimiter, ..Dialect::default() };
            let line = written(dialect, &[vec![text("x"), text(given)]]);
            let mut reader = csv::ReaderBuilder::new();
            reader.has_headers(false).delimiter(if delimiter == Delimiter::Comma { b',' } else { b';' });
            let record = reader.from_reader(line.as_bytes()).records().next().unwrap().unwrap();
            assert_eq!(&record[1], shown, "{given:?}");
        }
    }
    // A number is one where it is a cell; a row that begins with one may be one cell to others.
    let row = [number("-5"), text("-5"), text("2*cmd")];
    assert_eq!(written(Dialect::default(), &[vec![text("x"), row[0].clone(), row[1].clone(), row[2].clone()]]), "x,-5,-5,2*cmd\r\n");
    assert_eq!(written(Dialect::default(), &[vec![text("-5"), text("2*cmd")]]), "'-5,2*cmd\r\n");
}

fn is_plain(cell: &str) -> bool {
    let digits = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',')
}

/// Texts of what matters here, more often than chance would have it.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "=", "+", "-", "@", "\t", "\r", "\n", "\r\n", ",", ";", "\"", "'", " ", "\u{200b}", "＝", "1", "-5", "x", "\u{0}",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whoever splits a file at any separator and any line break, with quotes or without, finds no cell that begins as a formula does.
    #[test]
    fn no_part_of_a_cell_begins_a_formula(cells in proptest::collection::vec(hostile(), 1..4), semicolon in any::<bool>()) {
        let delimiter = if semicolon { Delimiter::Semicolon } else { Delimiter::Comma };
        let row: Vec<Cell> = cells.iter().map(String::as_str).map(text).chain([number("-12.50")]).collect();
        let file = written(Dialect { delimiter, ..Dialect::default() }, &[row]);
        for separator in [',', ';', '\t'] {
            for cell in file.split(['\r', '\n']).flat_map(|line| line.split(separator)) {
                let unquoted = cell.trim_start_matches(|letter: char| letter == '"' || " \u{a0}\u{3000}\u{feff}\u{200b}".contains(letter));
                for seen in [cell, unquoted] {
                    let formula = seen.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠', '\u{0}']);
                    prop_assert!(!formula || is_plain(seen), "{seen:?} in {file:?}");
                }
            }
        }
    }

    /// Whatever stands in a cell, no reader sees one that begins as a formula does; and it is the same text but for apostrophes.
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
            prop_assert_eq!(read.replace('\'', ""), cell.replace('\'', ""));
        }
    }
}
