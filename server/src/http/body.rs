//! The request body as handlers get it: bounded, and with an eye on whether all of it has come.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use super::visit::Visit;
use crate::error::{Code, Problem};

/// How long a body that is read into memory may take: a client that trickles it must not hold its place.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The body is longer than the gate allows on this path.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request body is longer than allowed")]
pub struct BodyTooLarge;

/// Reads a whole body into memory. Fails with `payload_too_large`, or with `invalid_request` when the client
/// broke off.
pub async fn read(body: Body) -> Result<Bytes, Problem> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, body.collect()).await.map_err(|_| Problem::new(Code::RequestTimeout))?;
    let collected = collected.map_err(|error| {
        if chain(&error).any(|cause| cause.is::<BodyTooLarge>()) {
            return Problem::new(Code::PayloadTooLarge);
        }
        Problem::new(Code::InvalidRequest).detail("The request body broke off. Send it again.").cause(error)
    })?;
    Ok(collected.to_bytes())
}

fn chain<'a>(error: &'a (dyn std::error::Error + 'static)) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Wraps an incoming body. A body without content costs nothing; one beyond `limit` bytes fails with
/// [`BodyTooLarge`] while it is read.
pub fn admit<B>(body: B, limit: usize, visit: &Visit) -> Body
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    visit.set_body_pending(true);
    Body::new(Bounded { inner: body, left: limit, visit: visit.clone() })
}

struct Bounded<B> {
    inner: B,
    left: usize,
    visit: Visit,
}

impl<B> HttpBody for Bounded<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else { return Poll::Pending };
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                if length > this.left {
                    this.left = 0;
                    return Poll::Ready(Some(Err(BodyTooLarge.into())));
                }
                this.left -= length;
                if this.inner.is_end_stream() {
                    this.visit.set_body_pending(false);
                }
            }
            Some(Err(_)) | None => this.visit.set_body_pending(false),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
