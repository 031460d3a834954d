//! The audit trail as a table, newest first, as a search shows it. What can be verified offline is the export of `audit` itself.

use serde::Deserialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::account::owner;
use super::source::{Column, Commission, Content, Format, Head, Kind, Needs, NextPieces, Opening, Piece, Row, Source, filter, period};
use crate::access::scope::AuditRead;
use crate::app::App;
use crate::audit::{self, EventView, Filter, Typed};
use crate::error::Problem;
use crate::http::guard::Scope;
use crate::privacy::holdings::record;
use crate::spreadsheet::Cell;
use crate::time::Timestamp;

/// The audit trail.
pub const AUDIT: Kind =
    Kind { name: "audit", formats: &[Format::Csv, Format::Json, Format::Pdf], needs: Needs::Granted(AuditRead::NAME), check, open };

/// Events in memory at a time.
const ROWS: i64 = 500;

const fn column(name: &'static str, title: &'static str, share: f32) -> Column {
    Column { name, title, share, right: false }
}

const COLUMNS: &[Column] = &[
    column("seq", "", 0.0),
    column("id", "", 0.0),
    column("at", "At", 0.14),
    column("actorType", "By", 0.09),
    column("actorId", "Who", 0.18),
    column("action", "Act", 0.215),
    column("targetType", "On", 0.1),
    column("targetId", "Which", 0.18),
    column("outcome", "Outcome", 0.095),
    column("ip", "", 0.0),
    column("userAgent", "", 0.0),
    column("requestId", "", 0.0),
    column("details", "", 0.0),
    column("previousHash", "", 0.0),
    column("hash", "", 0.0),
];

/// As the search takes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    actor: Option<String>,
    action: Option<String>,
    target: Option<String>,
    outcome: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl Wanted {
    fn filter(self) -> Result<Filter, Problem> {
        let Self { actor, action, target, outcome, from, to } = self;
        Filter::check(&Typed { actor, action, target, outcome, from, to })
    }

    fn in_words(&self) -> Vec<String> {
        let word = |name: &str, word: &Option<String>| word.as_ref().map(|word| format!("{name} {word}"));
        let all = [word("Actor", &self.actor), word("Act", &self.action), word("Target", &self.target), word("Outcome", &self.outcome)];
        all.into_iter().flatten().collect()
    }
}

fn check(given: &Json) -> Result<(), Problem> {
    filter::<Wanted>(given)?.filter().map(drop)
}

fn open<'a>(app: &'a App, commission: &'a Commission) -> Opening<'a> {
    Box::pin(async move {
        let wanted: Wanted = filter(&commission.filter)?;
        let content = Content {
            name: "events".to_owned(),
            title: "Audit events".to_owned(),
            about: "Acts that matter for security, newest first; times are those of UTC.".to_owned(),
            withheld: None,
        };
        let head = Head {
            title: "Audit trail".to_owned(),
            owner: owner(app, commission).await?,
            created_at: commission.now,
            period: period(wanted.from.as_deref(), wanted.to.as_deref()),
            narrowed: wanted.in_words(),
            contents: vec![content],
        };
        let mut wanted = wanted.filter()?;
        // What happens while it is written is not of this instant.
        wanted.to = wanted.to.min(Timestamp::from_micros(commission.now.as_micros().saturating_add(1)));
        let expected = audit::count(&app.ground, &wanted).await.ok();
        Ok(Box::new(Trail { app: app.clone(), head, wanted, expected, before: None, step: Step::Begin }) as Box<dyn Source>)
    })
}

enum Step {
    Begin,
    Rows,
    Done,
}

struct Trail {
    app: App,
    head: Head,
    wanted: Filter,
    expected: Option<u64>,
    before: Option<Uuid>,
    step: Step,
}

impl Trail {
    async fn page(&mut self) -> Result<Option<Vec<Piece>>, Problem> {
        match self.step {
            Step::Begin => {
                self.step = Step::Rows;
                Ok(Some(vec![Piece::Part { content: 0, columns: COLUMNS }]))
            }
            Step::Rows => {
                let events = audit::page(&self.app.ground, &self.wanted, self.before, ROWS).await?;
                if i64::try_from(events.len()).is_ok_and(|count| count < ROWS) {
                    self.step = Step::Done;
                }
                self.before = events.last().map(|event| event.id);
                events.into_iter().map(|event| row(event).map(Piece::Row)).collect::<Result<_, _>>().map(Some)
            }
            Step::Done => Ok(None),
        }
    }
}

fn row(event: EventView) -> Result<Row, Problem> {
    let record = record(&event)?;
    let id = |id: Option<Uuid>| Cell::text(id.map(|id| id.to_string()));
    let cells = vec![
        event.seq.map_or(Cell::Empty, |seq| Cell::Number(seq.to_string())),
        Cell::Text(event.id.to_string()),
        Cell::Text(event.at.to_rfc3339()),
        Cell::Text(event.actor.r#type),
        id(event.actor.id),
        Cell::Text(event.action),
        Cell::Text(event.target.r#type),
        id(event.target.id),
        Cell::Text(event.outcome),
        Cell::text(event.ip),
        Cell::text(event.user_agent),
        Cell::text(event.request_id),
        Cell::Text(event.details.to_string()),
        Cell::text(event.previous_hash),
        Cell::text(event.hash),
    ];
    Ok(Row { record, cells, money: None })
}

impl Source for Trail {
    fn head(&self) -> &Head {
        &self.head
    }

    fn expected(&self) -> Option<u64> {
        self.expected
    }

    fn next(&mut self) -> NextPieces<'_> {
        Box::pin(self.page())
    }
}
