//! An export for spreadsheets (RFC 4180). Nothing in it is a formula.

use super::chain::Link;
use crate::db::hex;
use crate::http::context::Origin;

/// The columns.
pub(super) const HEAD: &str =
    "seq,id,at,actorType,actorId,action,targetType,targetId,outcome,ip,userAgent,requestId,details,previousHash,hash\r\n";

/// Appends one event.
pub(super) fn row(out: &mut String, link: &Link, origin: &Origin) {
    let event = &link.event;
    let text = |value: Option<String>| value.unwrap_or_default();
    let cells = [
        link.seq.to_string(),
        event.id.to_string(),
        event.at.to_rfc3339(),
        event.actor_type.clone(),
        text(event.actor.map(|id| id.to_string())),
        event.action.clone(),
        event.target_type.clone(),
        text(event.target.map(|id| id.to_string())),
        event.outcome.clone(),
        text(origin.ip.map(|ip| ip.to_string())),
        text(origin.user_agent.clone()),
        text(event.request_id.clone()),
        event.details.clone(),
        text(link.previous.map(|hash| hex(&hash))),
        text(link.hash.map(|hash| hex(&hash))),
    ];
    for (column, value) in cells.iter().enumerate() {
        if column > 0 {
            out.push(',');
        }
        cell(out, value);
    }
    out.push_str("\r\n");
}

/// A spreadsheet computes what begins with these, also behind quotes; an apostrophe makes it text. Places are ours and numbers.
fn cell(out: &mut String, value: &str) {
    let computes = value.starts_with(['=', '+', '-', '@', '\t', '\r']) && value.parse::<i64>().is_err();
    let quoted = value.contains([',', '"', '\r', '\n']);
    if quoted {
        out.push('"');
    }
    if computes {
        out.push('\'');
    }
    for letter in value.chars() {
        if letter == '"' {
            out.push('"');
        }
        out.push(letter);
    }
    if quoted {
        out.push('"');
    }
}
