//! A large import as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::LineError;
use super::store::Import;
use crate::time::Timestamp;

/// A large import.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImportJob {
    id: Uuid,
    /// `receiving`, `queued`, `running`, `done` or `failed`.
    status: String,
    /// How much of the stream is carried out, in per cent.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    dry_run: bool,
    /// Lines that were sent, once all have come.
    lines: i64,
    /// Lines that became an account; in a dry run, that would.
    imported: u64,
    /// Lines whose address has an account already, or stood in an earlier line.
    skipped: u64,
    /// Lines that are wrong.
    failed: u64,
    /// Why, for the first thousand problems.
    errors: Vec<LineError>,
    /// Why it failed as a whole.
    #[schema(required = true)]
    reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    finished_at: Option<Timestamp>,
}

/// The answer about a large import.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportAnswer {
    job: ImportJob,
}

impl From<Import> for ImportAnswer {
    fn from(import: Import) -> Self {
        let hundredths = (import.next_chunk * 100).checked_div(import.chunks).unwrap_or(0);
        let job = ImportJob {
            id: import.id,
            progress: if import.status == "done" { 100 } else { u8::try_from(hundredths.clamp(0, 100)).unwrap_or(100) },
            status: import.status,
            dry_run: import.dry_run,
            lines: import.lines,
            imported: import.report.imported,
            skipped: import.report.skipped,
            failed: import.report.failed,
            errors: import.report.errors,
            reason: import.reason,
            created_at: import.created_at,
            updated_at: import.updated_at,
            finished_at: import.finished_at,
        };
        Self { job }
    }
}
