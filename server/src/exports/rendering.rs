//! CSV and JSON, written page by page as the source gives them: a million rows take the memory of one page.

use serde_json::Value as Json;

use super::source::{Content, Format, Piece, Source};
use crate::error::Problem;
use crate::spreadsheet::{Cell, Dialect};

/// A file on its way, in the order of its bytes.
pub(super) struct Rendering {
    source: Box<dyn Source>,
    form: Form,
    step: Step,
    rows: u64,
}

/// How it is written.
enum Form {
    Csv(Dialect),
    Json { kind: &'static str },
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

impl Rendering {
    /// Stands before the first byte. Nothing else than CSV and JSON is written so.
    pub fn new(source: Box<dyn Source>, kind: &'static str, format: Format, dialect: Dialect) -> Self {
        let form = match format {
            Format::Csv => Form::Csv(dialect),
            Format::Json | Format::Pdf => Form::Json { kind },
        };
        Self { source, form, step: Step::Begin, rows: 0 }
    }

    /// Rows that are written so far.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The next bytes; nothing when all are written.
    ///
    /// # Errors
    /// The source fails.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        match self.step {
            Step::Begin => {
                self.step = Step::Pieces { part: None, rows: 0 };
                self.begin().map(Some)
            }
            Step::Pieces { part, rows } => match self.source.next().await? {
                Some(pieces) => self.pieces(pieces, part, rows).map(Some),
                None => {
                    self.step = Step::Done;
                    self.end(part).map(Some)
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
        }
    }

    fn pieces(&mut self, pieces: Vec<Piece>, mut part: Option<usize>, mut rows: u64) -> Result<Vec<u8>, Problem> {
        let mut out = Vec::with_capacity(pieces.len() * 200);
        for piece in pieces {
            match (piece, &self.form) {
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
                    self.rows += 1;
                }
                (Piece::Row(row), Form::Json { .. }) => {
                    out.extend_from_slice(if rows > 0 { b",\n" } else { b"\n" });
                    serde_json::to_writer(&mut out, &row.record).map_err(Problem::internal)?;
                    self.rows += 1;
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

    fn end(&self, part: Option<usize>) -> Result<Vec<u8>, Problem> {
        Ok(match self.form {
            Form::Csv(_) => Vec::new(),
            Form::Json { .. } if part.is_some() => b"\n]}\n".to_vec(),
            Form::Json { .. } => b"}\n".to_vec(),
        })
    }
}
