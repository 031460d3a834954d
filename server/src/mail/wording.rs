//! Taming what other people typed, and saying times the way people do.
//!
//! The name in a letter to an unconfirmed address was chosen by whoever typed that address. Without
//! care it is a free way to send "you won, see evil.example" to strangers under our name.

use time::OffsetDateTime;
use time::macros::format_description;

use crate::time::Timestamp;

const LONGEST: usize = 60;

/// "Hello Ada," or, for a name that would do more than name a person, just "Hello,".
pub(super) fn greeting(name: &str) -> String {
    let name = one_line(name);
    if name.is_empty() || looks_like_address(&name) { "Hello,".into() } else { format!("Hello {name},") }
}

/// Hostile text on one short line: no control or direction-changing characters, no runs of blanks. What a
/// mail program would turn into a link is left out.
pub(super) fn label(text: &str) -> String {
    let line = one_line(text);
    if line.is_empty() || looks_like_address(&line) { "unknown".into() } else { line }
}

/// For our own settings that end in a header or a title.
pub(super) fn one_line(text: &str) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).filter(|c| !turns(*c)).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST { line } else { line.chars().take(LONGEST - 1).chain(['…']).collect() }
}

/// The public URL as it may stand in a letter: without anything that a header or an attribute would trip over.
pub(super) fn one_line_url(url: &str) -> String {
    url.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect()
}

/// Marks, embeddings, overrides and isolates that change the direction of what follows, and the byte order mark.
const fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A scheme, an `@`, or `word.tld`: mail programs make links of them. "J. R. Smith" and "Dr. Who" are none.
fn looks_like_address(line: &str) -> bool {
    let domain = |word: &str| {
        let mut parts = word.split(['.', '。', '．']).peekable();
        let mut before = parts.next().unwrap_or_default();
        parts.any(|after| {
            let linked = before.chars().next_back().is_some_and(char::is_alphanumeric)
                && after.chars().take_while(|c| c.is_alphanumeric() || *c == '-').count() >= 2;
            before = after;
            linked
        })
    };
    line.contains("//") || line.contains('@') || line.split_whitespace().any(domain)
}

/// "10 minutes", "1 hour".
pub(super) fn lifetime(minutes: u64) -> String {
    let (count, unit) = match minutes {
        m if m >= 2880 && m.is_multiple_of(1440) => (m / 1440, "day"),
        m if m >= 60 && m.is_multiple_of(60) => (m / 60, "hour"),
        m => (m, "minute"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// An RFC 3339 time as "5 March 2026, 14:30 UTC"; other words stay what they are, tamed.
pub(super) fn moment(text: &str) -> String {
    Timestamp::parse_rfc3339(text).map_or_else(|| label(text), in_words)
}

/// "5 March 2026, 14:30 UTC".
pub(super) fn in_words(at: Timestamp) -> String {
    let format = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(at.as_secs()).ok().and_then(|at| at.format(format).ok()).unwrap_or_else(|| at.to_rfc3339())
}
