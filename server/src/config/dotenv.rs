//! `.env` files: `NAME=value` lines with comments, quotes and `export`.
//!
//! Read by ourselves because a fault must name the line and must not repeat it (it may hold a secret), and because
//! `$` stays a plain character: passwords contain it, and expanding it would mix in the process environment.

use super::fault::Fault;

/// The pairs of a file in order, and what could not be read.
pub(super) fn parse(file: &str, text: &str) -> (Vec<(String, String)>, Vec<Fault>) {
    let mut pairs = Vec::new();
    let mut faults = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (read, used) = entry(rest);
        match read {
            Ok(Some(pair)) => pairs.push(pair),
            Ok(None) => {}
            Err((problem, mend)) => faults.push(Fault::new(format!("line {line}"), file, problem, mend)),
        }
        let (taken, left) = rest.split_at(used);
        line += taken.matches('\n').count();
        rest = left;
    }
    (pairs, faults)
}

type Entry = Result<Option<(String, String)>, (&'static str, &'static str)>;

/// Reads one entry at the start of `text`; returns it and how many bytes it took, its line break included.
fn entry(text: &str) -> (Entry, usize) {
    let end_of_line = text.find('\n').map_or(text.len(), |at| at + 1);
    let line = text[..end_of_line].trim();
    if line.is_empty() || line.starts_with('#') {
        return (Ok(None), end_of_line);
    }
    let Some(equals) = text[..end_of_line].find('=') else {
        return (Err(("has no `=`", "write `NAME=value`, or start a comment with `#`")), end_of_line);
    };
    let name = text[..equals].trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim_start);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(is_name_byte) {
        return (Err(("has a name that is not one", "names hold letters, digits and `_`, and do not start with a digit")), end_of_line);
    }
    let raw = &text[equals + 1..];
    let blanks = raw.len() - raw.trim_start_matches([' ', '\t']).len();
    match raw[blanks..].chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, used) = quoted(&raw[blanks + 1..], quote);
            // An open quote would swallow the rest of the file; give up on this line only.
            let used = if value.is_ok() { equals + 1 + blanks + 1 + used } else { end_of_line };
            (value.map(|value| Some((name.to_owned(), value))), used)
        }
        _ => (Ok(Some((name.to_owned(), plain(&text[equals + 1..end_of_line])))), end_of_line),
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

/// An unquoted value: trimmed, and a comment begins at a `#` after a blank.
fn plain(text: &str) -> String {
    let mut before_blank = true;
    for (at, c) in text.char_indices() {
        if c == '#' && before_blank {
            return text[..at].trim().to_owned();
        }
        before_blank = c.is_whitespace();
    }
    text.trim().to_owned()
}

/// The text up to the closing quote, maybe over several lines, and how much was used up to the end of that line.
/// Single quotes keep everything; double quotes know `\n`, `\r`, `\t`, `\"`, `\\`, `\$`.
fn quoted(text: &str, quote: char) -> (Result<String, (&'static str, &'static str)>, usize) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            let after = &text[at + 1..];
            let end = after.find('\n').map_or(after.len(), |end| end + 1);
            let tail = after[..end].trim();
            if !(tail.is_empty() || tail.starts_with('#')) {
                return (Err(("goes on after the closing quote", "put the whole value into quotes, and escape quotes in it as `\\\"`")), 0);
            }
            return (Ok(value), at + 1 + end);
        }
        if c == '\\' && quote == '"' {
            match chars.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(plain @ ('"' | '\\' | '$')) => value.push(plain),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            }
        } else {
            value.push(c);
        }
    }
    (Err(("has a quote that is never closed", "close it, or leave the quotes out")), 0)
}
