//! Sessions as their person gets them.

use serde::Serialize;
use uuid::Uuid;

use super::device::{describe, open_device};
use super::store;
use crate::app::App;
use crate::privacy::holdings::{Asked, Erasure, Holding, Kept, Page, ROWS, Reading, Records};
use crate::time::Timestamp;

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "sessions",
    title: "Sessions",
    about: "Where and when you signed in, or let an application in, with which browser, and how it ended.",
    tables: &[("sessions", "user_id"), ("sessions", "impersonator_id")],
    kept: Kept::Days(|retention| retention.sessions),
    erasure: Erasure::Deleted,
    records: Records::Exported(records),
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    id: Uuid,
    device: String,
    ip: Option<String>,
    user_agent: Option<String>,
    client_id: String,
    scopes: Vec<String>,
    impersonated_by: Option<Uuid>,
    created_at: Timestamp,
    last_active_at: Timestamp,
    expires_at: Timestamp,
    ended_at: Option<Timestamp>,
    end_reason: Option<String>,
}

fn records<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let rows = store::all_of(&app.ground.db, asked.person, asked.after_id(), ROWS).await?;
        Page::of(
            rows,
            |(session, _)| session.id,
            |(session, sealed)| {
                let device = open_device(&asked.key, session.id, &sealed);
                let granted = session.authorization;
                Ok(Record {
                    id: session.id,
                    device: describe(device.user_agent.as_deref()),
                    // Whoever acts as somebody else came from an address of their own.
                    ip: device.ip.filter(|_| granted.impersonator.is_none()),
                    user_agent: device.user_agent.filter(|_| granted.impersonator.is_none()),
                    client_id: granted.client,
                    scopes: granted.scopes,
                    impersonated_by: granted.impersonator,
                    created_at: session.created_at,
                    last_active_at: session.last_active_at,
                    expires_at: session.expires_at,
                    ended_at: session.ended_at,
                    end_reason: session.end_reason,
                })
            },
        )
    })
}
