//! The page of the development mailbox: no script, no inline style, everything from mails escaped.

use minijinja::context;
use minijinja::value::Value;

use super::mailbox::Mail;
use super::render::{environment, escape};
use super::wording;

/// The style sheet of the page, served at `/dev/mailbox.css`.
pub const MAILBOX_CSS: &str = include_str!("templates/mailbox.css");

/// The mails as one HTML page, in the order given. Addresses in the text are links; a 6-digit code stands large.
pub fn render_page(mails: &[Mail]) -> String {
    let mails: Vec<Value> = mails.iter().map(view).collect();
    let page = environment().and_then(|templates| templates.get_template("mailbox.html")?.render(context! { mails }));
    // The template is part of the program and a test renders it; development sees the reason if it ever fails.
    page.unwrap_or_else(|error| format!("<!doctype html><title>Mailbox</title><p>{}", escape(&error.to_string())))
}

fn view(mail: &Mail) -> Value {
    context! {
        id => mail.id.to_string(),
        to => &mail.to,
        subject => &mail.subject,
        at => mail.at.to_rfc3339(),
        when => wording::in_words(mail.at),
        code => find_code(&mail.text),
        linked => Value::from_safe_string(linked(&mail.text)),
    }
}

/// The first run of exactly six digits that is not part of a longer word.
fn find_code(text: &str) -> Option<&str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_' && c != '/');
    words.into_iter().find(|word| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit()))
}

/// Escaped text in which web addresses are links.
fn linked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(start) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'')).unwrap_or(from.len());
        let address = from[..end].trim_end_matches(['.', ',', ';', ':', ')', '!', '?']);
        let shown = escape(address);
        out.push_str(&escape(before));
        out.push_str(&format!("<a href=\"{shown}\" rel=\"noopener noreferrer\">{shown}</a>"));
        rest = &from[address.len()..];
    }
    out.push_str(&escape(rest));
    out
}
