//! A file on its way to somebody. Between its parts it is asked whether they may still have it; it has a time after which it ends; and a
//! stopping instance gives it a moment more. What ends early ends as a broken transfer, never as a file that looks whole.

use std::future::Future;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream::try_unfold;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Exports;
use super::file::PART;
use super::places::Place;
use super::right::Right;
use crate::error::{Code, Problem};

/// What gives a file, part by part.
pub(super) trait Parts: Send + 'static {
    /// The next one; nothing at the end.
    fn next_part(&mut self) -> impl Future<Output = Result<Option<Bytes>, Problem>> + Send;
}

/// Holds what a file may go on by, and what it takes up.
pub(super) struct Sending {
    right: Right,
    ends: Instant,
    cut: CancellationToken,
    /// Given back when the body is dropped, whether it was sent or not.
    _places: Vec<Place>,
}

impl Sending {
    /// A file that is sent by `right`, for `longest` at most, and holds `places` meanwhile.
    pub fn new(exports: &Exports, right: Right, longest: Duration, places: Vec<Place>) -> Self {
        Self { right, ends: Instant::now() + longest, cut: exports.cut(), _places: places }
    }

    /// `first`, then the parts that `parts` has.
    pub fn body(self, first: Option<Bytes>, parts: impl Parts) -> Body {
        Body::from_stream(try_unfold((self, first, parts), async |(sending, first, mut parts)| {
            let next = match first {
                Some(first) => Ok(Some(first)),
                None => sending.next(&mut parts).await,
            };
            match next {
                Ok(part) => Ok(part.map(|part| (part, (sending, None, parts)))),
                Err(problem) => {
                    tracing::info!(code = problem.code.as_str(), "a file was broken off on its way");
                    Err(std::io::Error::other(problem.detail.into_owned()))
                }
            }
        }))
    }

    async fn next(&self, parts: &mut impl Parts) -> Result<Option<Bytes>, Problem> {
        tokio::select! {
            biased;
            () = self.cut.cancelled() => Err(Problem::new(Code::Unavailable).detail("This server stops.")),
            next = timeout_at(self.ends, async {
                self.right.still().await?;
                parts.next_part().await
            }) => next.unwrap_or_else(|_| Err(Code::RequestTimeout.into())),
        }
    }
}

/// A file that stands in memory.
pub(super) struct Whole(pub Bytes);

impl Parts for Whole {
    async fn next_part(&mut self) -> Result<Option<Bytes>, Problem> {
        let next = self.0.split_to(self.0.len().min(PART));
        Ok((!next.is_empty()).then_some(next))
    }
}
