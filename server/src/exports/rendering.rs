//! A file on its way. CSV and JSON are written page by page as the source gives them: a million rows take the memory of one page. A PDF
//! is collected and laid out at the end, on a thread of its own, few of them at a time: whoever begins one has a desk for it, and gives it
//! back when it is laid out or nobody wants it any more.

use axum::body::Bytes;
use serde_json::Value as Json;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::paper::{PAPER_BYTES_MAX, PAPER_ROWS_MAX, Paper};
use super::sending::Parts;
use super::source::{Content, Format, Piece, Source};
use crate::error::{Code, Problem};
use crate::spreadsheet::{Cell, Dialect};

/// A file on its way, in the order of its bytes.
pub(super) struct Rendering {
    source: Box<dyn Source>,
    form: Form,
    step: Step,
    rows: u64,
    rows_max: Option<u64>,
}

/// How it is written.
enum Form {
    Csv(Dialect),
    Json { kind: &'static str },
    Pdf { paper: Option<Box<Paper>>, desk: Option<OwnedSemaphorePermit> },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Begin,
    /// Inside the part with this place in the contents, if one has begun, and how many of its rows are written.
    Pieces {
        part: Option<usize>,
        rows: u64,
    },
    Done,
}

/// What is written, and how.
pub(super) struct Manner {
    pub kind: &'static str,
    pub format: Format,
    pub dialect: Dialect,
    /// On which a PDF is laid out.
    pub desk: Option<OwnedSemaphorePermit>,
    /// More rows than these are refused.
    pub rows_max: Option<u64>,
}

impl Rendering {
    /// Stands before the first byte.
    pub fn new(source: Box<dyn Source>, manner: Manner) -> Self {
        let form = match manner.format {
            Format::Csv => Form::Csv(manner.dialect),
            Format::Json => Form::Json { kind: manner.kind },
            Format::Pdf => Form::Pdf { paper: Some(Box::new(Paper::new(source.head().clone()))), desk: manner.desk },
        };
        Self { source, form, step: Step::Begin, rows: 0, rows_max: manner.rows_max }
    }

    /// Rows that are written so far.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether there are more rows than a document of its form can have.
    pub fn is_too_long(&self) -> bool {
        let expected = self.source.expected().unwrap_or(0).max(self.rows);
        match &self.form {
            Form::Pdf { paper, .. } => expected > PAPER_ROWS_MAX || paper.as_ref().is_some_and(|paper| paper.bytes() > PAPER_BYTES_MAX),
            Form::Csv(_) | Form::Json { .. } => false,
        }
    }

    /// The next bytes, perhaps none; nothing when all are written.
    ///
    /// # Errors
    /// The source fails; or it [is too long](Self::is_too_long).
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        if self.is_too_long() {
            let most = PAPER_BYTES_MAX / (1024 * 1024);
            let detail = format!("A PDF has at most {PAPER_ROWS_MAX} rows, and {most} MiB of text. Narrow it, or take CSV or JSON.");
            return Err(Problem::new(Code::ValidationFailed).field("filter", "too_many_rows", detail));
        }
        if let Some(most) = self.rows_max.filter(|most| self.source.expected().unwrap_or(0).max(self.rows) > *most) {
            let detail = format!("There are more than {most} rows. Narrow it, or order it with POST /api/v1/exports.");
            return Err(Problem::new(Code::ValidationFailed).field("filter", "too_many_rows", detail));
        }
        match self.step {
            Step::Begin => {
                self.step = Step::Pieces { part: None, rows: 0 };
                self.begin().map(Some)
            }
            Step::Pieces { part, rows } => match self.source.next().await? {
                Some(pieces) => self.pieces(pieces, part, rows).map(Some),
                None => {
                    self.step = Step::Done;
                    self.end(part).await.map(Some)
                }
            },
            Step::Done => Ok(None),
        }
    }

    fn begin(&self) -> Result<Vec<u8>, Problem> {
        match self.form {
            Form::Csv(dialect) => Ok(dialect.begin().to_vec()),
            Form::Json { kind } => {
                let mut head = serde_json::to_value(self.source.head()).map_err(Problem::internal)?;
                head["kind"] = kind.into();
                let mut out = b"{\"export\":".to_vec();
                serde_json::to_writer(&mut out, &head).map_err(Problem::internal)?;
                Ok(out)
            }
            Form::Pdf { .. } => Ok(Vec::new()),
        }
    }

    fn pieces(&mut self, pieces: Vec<Piece>, mut part: Option<usize>, mut rows: u64) -> Result<Vec<u8>, Problem> {
        let mut out = Vec::with_capacity(pieces.len() * 200);
        for piece in pieces {
            self.rows += u64::from(matches!(piece, Piece::Row(_)));
            match (piece, &mut self.form) {
                (piece, Form::Pdf { paper, .. }) => {
                    if let Some(paper) = paper {
                        paper.add(piece);
                    }
                }
                (Piece::Part { columns, .. }, Form::Csv(dialect)) => {
                    let titles: Vec<Cell> = columns.iter().map(|column| Cell::Text(column.name.to_owned())).collect();
                    dialect.write(&mut out, [titles.as_slice()]).map_err(Problem::internal)?;
                }
                (Piece::Part { content, .. }, Form::Json { .. }) => {
                    let name = &self.content(content)?.name;
                    out.extend_from_slice(if part.is_some() { b"\n],\n" } else { b",\n" });
                    serde_json::to_writer(&mut out, &Json::String(name.clone())).map_err(Problem::internal)?;
                    out.extend_from_slice(b":[");
                    (part, rows) = (Some(content), 0);
                }
                (Piece::Row(row), Form::Csv(dialect)) => {
                    dialect.write(&mut out, [row.cells.as_slice()]).map_err(Problem::internal)?;
                }
                (Piece::Row(row), Form::Json { .. }) => {
                    out.extend_from_slice(if rows > 0 { b",\n" } else { b"\n" });
                    serde_json::to_writer(&mut out, &row.record).map_err(Problem::internal)?;
                    rows += 1;
                }
            }
        }
        self.step = Step::Pieces { part, rows };
        Ok(out)
    }

    fn content(&self, place: usize) -> Result<&Content, Problem> {
        self.source.head().contents.get(place).ok_or_else(|| Problem::internal("a part of an export that its head does not tell of"))
    }

    async fn end(&mut self, part: Option<usize>) -> Result<Vec<u8>, Problem> {
        match &mut self.form {
            Form::Csv(_) => Ok(Vec::new()),
            Form::Json { .. } if part.is_some() => Ok(b"\n]}\n".to_vec()),
            Form::Json { .. } => Ok(b"}\n".to_vec()),
            Form::Pdf { paper, desk } => {
                let (Some(paper), desk) = (paper.take(), desk.take()) else { return Ok(Vec::new()) };
                // A thread cannot be dropped as this can: it is told, and looks.
                let unwanted = CancellationToken::new();
                let _until_dropped = unwanted.clone().drop_guard();
                // Seconds of work for a long one: nobody else's request waits for it.
                let laid = tokio::task::spawn_blocking(move || {
                    let bytes = paper.finish(&|| unwanted.is_cancelled());
                    drop(desk);
                    bytes
                });
                laid.await.map_err(Problem::internal)?.map_err(Problem::internal)
            }
        }
    }
}

impl Parts for Rendering {
    async fn next_part(&mut self) -> Result<Option<Bytes>, Problem> {
        Ok(self.next().await?.map(Bytes::from))
    }
}
