//! What is held by parts that this slice stands on, and which therefore cannot declare it themselves.

use super::holdings::{Asked, Erasure, Holding, Kept, Page, ROWS, Reading, Records};
use crate::app::App;
use crate::audit;

/// The holdings of the floor, of the audit trail and of repeated requests.
pub const BENEATH: &[Holding] = &[AUDIT, REPEATS, MAIL, MAILBOX];

const AUDIT: Holding = Holding {
    name: "auditEvents",
    title: "Audit events",
    about: "Acts that matter for security, done by you or to you, with where yours came from.",
    tables: &[("audit_events", "actor_id"), ("audit_events", "target_id"), ("audit_events", "sealed_for")],
    kept: Kept::Days(|retention| retention.audit),
    erasure: Erasure::Unreadable,
    records: Records::Exported(audit_events),
};

fn audit_events<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let rows = audit::about(&app.ground, asked.person, &asked.key, asked.after_id(), ROWS).await?;
        Page::of(rows, |event| event.id, Ok)
    })
}

const REPEATS: Holding = Holding {
    name: "repeatedRequests",
    title: "Answers to repeated requests",
    about: "The first answer to a request with an Idempotency-Key, sealed under your own key when you were signed in, found only by whoever sends the same key again.",
    tables: &[("idempotency_keys", "scope")],
    kept: Kept::Until("a day after the request"),
    erasure: Erasure::Detached,
    records: Records::Withheld("It repeats what other parts of this export show, and cannot be found by person."),
};

const MAIL: Holding = Holding {
    name: "queuedWork",
    title: "Work in the queue",
    about: "Mail and other work that waits for its turn, sealed under the key of the installation.",
    tables: &[("jobs", "payload")],
    kept: Kept::Until("until it is done, as a rule within seconds"),
    erasure: Erasure::Detached,
    records: Records::Withheld("It is gone before an export could show it, and cannot be found by person."),
};

const MAILBOX: Holding = Holding {
    name: "developmentMailbox",
    title: "Development mailbox",
    about: "Mail that would have been sent; only where no mail server is configured, which production refuses.",
    tables: &[("dev_mail", "message")],
    kept: Kept::Until("until 500 newer letters have come"),
    erasure: Erasure::Detached,
    records: Records::Withheld("It exists in development only."),
};
