//! An export for spreadsheets: what the spreadsheet is given, cell by cell.

use super::chain::Link;
use crate::db::hex;
use crate::error::Problem;
use crate::http::context::Origin;
use crate::spreadsheet::{Cell, Dialect};

const COLUMNS: [&str; 15] = [
    "seq",
    "id",
    "at",
    "actorType",
    "actorId",
    "action",
    "targetType",
    "targetId",
    "outcome",
    "ip",
    "userAgent",
    "requestId",
    "details",
    "previousHash",
    "hash",
];

/// Appends the names of the columns.
pub(super) fn head(out: &mut Vec<u8>) -> Result<(), Problem> {
    write(out, &COLUMNS.map(|name| Cell::Text(name.to_owned())))
}

/// Appends one event.
pub(super) fn row(out: &mut Vec<u8>, link: &Link, origin: &Origin) -> Result<(), Problem> {
    let event = &link.event;
    let cells = [
        Cell::Number(link.seq.to_string()),
        Cell::Text(event.id.to_string()),
        Cell::Text(event.at.to_rfc3339()),
        Cell::Text(event.actor_type.clone()),
        Cell::text(event.actor.map(|id| id.to_string())),
        Cell::Text(event.action.clone()),
        Cell::Text(event.target_type.clone()),
        Cell::text(event.target.map(|id| id.to_string())),
        Cell::Text(event.outcome.clone()),
        Cell::text(origin.ip.map(|ip| ip.to_string())),
        Cell::text(origin.user_agent.clone()),
        Cell::text(event.request_id.clone()),
        Cell::Text(event.details.clone()),
        Cell::text(link.previous.map(|hash| hex(&hash))),
        Cell::text(link.hash.map(|hash| hex(&hash))),
    ];
    write(out, &cells)
}

fn write(out: &mut Vec<u8>, cells: &[Cell]) -> Result<(), Problem> {
    Dialect::default().write(out, [cells]).map_err(Problem::internal)
}
