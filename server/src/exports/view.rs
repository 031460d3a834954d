//! An export as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::source::Format;
use super::store::Stored;
use crate::time::Timestamp;

/// A file of one's data that was ordered.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Export)]
pub(super) struct ExportView {
    pub id: Uuid,
    /// Of what.
    pub kind: String,
    /// How it is written.
    #[schema(value_type = Format)]
    pub format: String,
    pub status: Status,
    pub progress: Progress,
    /// Bytes of the file, as far as it is written.
    pub bytes: i64,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was ready, or failed.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub finished_at: Option<Timestamp>,
    /// When the file goes; null until it is ready.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub expires_at: Option<Timestamp>,
    /// Where the file is once it is ready; it takes the access token of whoever ordered it.
    pub download_url: String,
    /// Why it failed.
    #[schema(required = true)]
    pub failure: Option<Failure>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Progress {
    /// 100 when it is ready.
    #[schema(minimum = 0, maximum = 100)]
    pub percent: u8,
    /// Rows that are written.
    #[schema(minimum = 0)]
    pub rows: i64,
}

/// How far it is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ExportStatus)]
pub(super) enum Status {
    /// It waits for its turn.
    Queued,
    /// It is being written.
    Running,
    /// It can be fetched.
    Ready,
    /// It will not be written.
    Failed,
    /// It was ready, and is deleted.
    Expired,
}

/// Why an export failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ExportFailure)]
pub(super) struct Failure {
    /// `too_many_rows`, `no_room`, `forbidden`, `outdated`, `stuck` or `broken`.
    pub code: String,
    /// What to do about it.
    pub message: &'static str,
}

/// `{export}`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ExportAnswer {
    pub export: ExportView,
}

/// The status of `stored` at `now`: what has expired is so at once, whether or not it was swept yet.
pub(super) fn status(stored: &Stored, now: Timestamp) -> Status {
    match stored.status.as_str() {
        "queued" => Status::Queued,
        "running" => Status::Running,
        "ready" if stored.expires_at.is_some_and(|end| end > now) => Status::Ready,
        "ready" | "expired" => Status::Expired,
        _ => Status::Failed,
    }
}

impl ExportView {
    /// `stored` at `now`.
    pub fn of(stored: Stored, now: Timestamp) -> Self {
        let status = status(&stored, now);
        // Where nobody counted, nobody knows.
        let expected = stored.rows_expected.map_or(i64::MAX, |rows| rows.max(1));
        let percent = match status {
            Status::Ready | Status::Expired => 100,
            // A hundred is only what is ready.
            Status::Queued | Status::Running | Status::Failed => (stored.rows_done.saturating_mul(100) / expected).clamp(0, 99),
        };
        Self {
            id: stored.id,
            kind: stored.kind,
            format: stored.format,
            status,
            progress: Progress { percent: u8::try_from(percent).unwrap_or(99), rows: stored.rows_done },
            bytes: stored.bytes,
            created_at: stored.created_at,
            finished_at: stored.finished_at,
            // What failed has no file, though there may be parts of one that are not swept yet.
            expires_at: stored.expires_at.filter(|_| status != Status::Failed),
            download_url: format!("/api/v1/exports/{}/download", stored.id),
            failure: stored.failure.map(Failure::of),
        }
    }

    /// Whether nothing more will happen but that it expires.
    pub fn is_over(&self) -> bool {
        !matches!(self.status, Status::Queued | Status::Running)
    }
}

impl Failure {
    fn of(code: String) -> Self {
        let message = match code.as_str() {
            "too_many_rows" => "There is more than a PDF can hold. Narrow it by time, or take CSV or JSON.",
            "no_room" => "There is more of it than your exports may have in all. Delete others, or narrow it.",
            "outdated" => "Somebody of whom it may have told was erased meanwhile. Order it again.",
            "forbidden" => "Whoever ordered it may not export this any more.",
            "stuck" => "It did not go on for three days. Order it again.",
            _ => "It could not be written; the log of the server tells why. Order it again.",
        };
        Self { code, message }
    }
}
