//! A transcript as a file: for spreadsheets, for programs, for people.

use std::future::Future;
use std::pin::Pin;

use serde::Deserialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::segment::{self, SegmentView};
use super::{admission, store};
use crate::access::scope::TranscriptsRead;
use crate::app::App;
use crate::error::{Code, Problem};
use crate::exports::owner;
use crate::exports::source::{Column, Commission, Content, Format, Head, Kind, Needs, Opening, Piece, Row, Source, filter};
use crate::http::guard::Scope;
use crate::privacy::holdings::record;
use crate::secret::PersonKey;
use crate::spreadsheet::Cell;

/// What was said in one voice session, in the order of its segments. Its filter names the session.
pub const EXPORT: Kind =
    Kind { name: "transcripts", formats: &[Format::Csv, Format::Json, Format::Pdf], needs: Needs::Own(TranscriptsRead::NAME), check, open };

/// Segments in memory at a time.
const ROWS: i64 = 500;

const COLUMNS: &[Column] = &[
    Column { name: "seq", title: "", share: 0.0, right: true },
    Column { name: "startMs", title: "From", share: 0.1, right: true },
    Column { name: "endMs", title: "To", share: 0.1, right: true },
    Column { name: "speaker", title: "Who", share: 0.2, right: false },
    Column { name: "text", title: "What", share: 0.6, right: false },
    Column { name: "final", title: "", share: 0.0, right: false },
    Column { name: "receivedAt", title: "", share: 0.0, right: false },
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    voice_session: Option<Uuid>,
    #[serde(default)]
    r#final: bool,
}

/// The session that a filter names, and whether only final segments are wanted.
fn wanted(given: &Json) -> Result<(Uuid, bool), Problem> {
    let Wanted { voice_session, r#final } = filter(given)?;
    let named = voice_session.ok_or_else(|| {
        Problem::new(Code::ValidationFailed).field("filter.voiceSession", "required", "Name the voice session whose transcript you want.")
    });
    Ok((named?, r#final))
}

fn check(given: &Json) -> Result<(), Problem> {
    wanted(given).map(drop)
}

fn open<'a>(app: &'a App, commission: &'a Commission) -> Opening<'a> {
    Box::pin(async move {
        let (session, final_only) = wanted(&commission.filter)?;
        let session = admission::own(app, commission.person, session).await?;
        let content = Content {
            name: "segments".to_owned(),
            title: "Segments".to_owned(),
            about: "What was said, in its order.".to_owned(),
            withheld: None,
        };
        let mut narrowed = vec![format!("Voice session {}", session.id)];
        if final_only {
            narrowed.push("final segments only".to_owned());
        }
        let head = Head {
            title: "Transcript".to_owned(),
            owner: owner(app, commission).await?,
            created_at: commission.now,
            period: None,
            narrowed,
            contents: vec![content],
        };
        let expected = store::count(&app.ground.db, session.id, final_only).await?;
        let (app, key) = (app.clone(), commission.key.clone());
        let said = Said { app, key, session: session.id, final_only, head, expected, after: -1, step: Step::Begin };
        Ok(Box::new(said) as Box<dyn Source>)
    })
}

enum Step {
    Begin,
    Rows,
    Done,
}

struct Said {
    app: App,
    key: PersonKey,
    session: Uuid,
    final_only: bool,
    head: Head,
    expected: u64,
    after: i64,
    step: Step,
}

impl Said {
    async fn page(&mut self) -> Result<Option<Vec<Piece>>, Problem> {
        match self.step {
            Step::Begin => {
                self.step = Step::Rows;
                Ok(Some(vec![Piece::Part { content: 0, columns: COLUMNS }]))
            }
            Step::Rows => {
                let rows = store::list(&self.app.ground.db, self.session, self.final_only, self.after, ROWS).await?;
                match rows.last() {
                    Some(last) if i64::try_from(rows.len()).is_ok_and(|count| count == ROWS) => self.after = last.seq,
                    _ => self.step = Step::Done,
                }
                let piece = |stored| row(segment::open(stored, &self.key, self.session)?).map(Piece::Row);
                rows.iter().map(piece).collect::<Result<_, _>>().map(Some)
            }
            Step::Done => Ok(None),
        }
    }
}

fn row(segment: SegmentView) -> Result<Row, Problem> {
    let record = record(&segment)?;
    let cells = vec![
        Cell::Number(segment.seq.to_string()),
        Cell::Number(segment.start_ms.to_string()),
        Cell::Number(segment.end_ms.to_string()),
        Cell::Text(segment.speaker),
        Cell::Text(segment.text),
        Cell::Text(segment.r#final.to_string()),
        Cell::Text(segment.received_at.to_rfc3339()),
    ];
    Ok(Row { record, cells, money: None })
}

impl Source for Said {
    fn head(&self) -> &Head {
        &self.head
    }

    fn expected(&self) -> Option<u64> {
        Some(self.expected)
    }

    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Vec<Piece>>, Problem>> + Send + '_>> {
        Box::pin(self.page())
    }
}
