//! The same over the WebSocket of `presence`: the channel `transcript:{voice session}`, for the owner of the session.
//!
//! Whoever stores segments tells the channel, which every instance has. What is told here is what happens now: who joins late, or
//! missed something, reads the list or the stream.

use std::pin::Pin;

use serde::Serialize;
use uuid::Uuid;

use super::live::Transcripts;
use super::segment::SegmentView;
use super::store;
use crate::error::Problem;
use crate::presence::{Authorizer, Presence};

/// Bytes of text and speakers in one frame, roughly: a queue of frames and a message between instances hold no more than they like.
const FRAME: usize = 4 * 1024;

/// What a `diff` frame carries.
#[derive(Serialize)]
struct Said<'a> {
    segments: &'a [SegmentView],
    /// The position of the last of them.
    position: i64,
}

/// Tells everybody in the channel of `session` what changed, in the order of its positions.
pub(super) fn tell(presence: &Presence, session: Uuid, changed: &[SegmentView]) {
    let channel = format!("transcript:{session}");
    let mut rest = changed;
    while !rest.is_empty() {
        let mut size = 0;
        let fits = rest.iter().take_while(|segment| {
            size += segment.text.len() + segment.speaker.len() + 100;
            size <= FRAME
        });
        // A long one has a frame of its own.
        let (frame, later) = rest.split_at(fits.count().max(1));
        let position = frame.last().map_or(0, |segment| segment.position);
        presence.publish(&channel, &Said { segments: frame, position });
        rest = later;
    }
}

impl Authorizer for Transcripts {
    fn may_join<'a>(&'a self, user: Uuid, name: &'a str) -> Pin<Box<dyn Future<Output = Result<bool, Problem>> + Send + 'a>> {
        Box::pin(async move {
            // Written as we write ids, so that a session has one channel.
            let Some(id) = name.parse::<Uuid>().ok().filter(|id| id.to_string() == name) else { return Ok(false) };
            Ok(store::find(self.db(), id).await?.is_some_and(|session| session.owner == user))
        })
    }
}
