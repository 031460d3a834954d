//! Who is in a voice session, for whoever joins the realtime channel `voice:{id}`: its person alone, with all their connections,
//! while it goes on.

use std::pin::Pin;

use uuid::Uuid;

use super::{Voice, store};
use crate::error::Problem;
use crate::presence::Authorizer;

/// The channel of a voice session.
pub(super) fn of(session: Uuid) -> String {
    format!("voice:{session}")
}

impl Authorizer for Voice {
    fn may_join<'a>(&'a self, user: Uuid, name: &'a str) -> Pin<Box<dyn Future<Output = Result<bool, Problem>> + Send + 'a>> {
        Box::pin(async move {
            // Written as we write ids, so that a session has one channel and not one for each spelling.
            let Some(id) = name.parse::<Uuid>().ok().filter(|id| id.to_string() == name) else { return Ok(false) };
            let found = store::own(&self.ground.db, id, user, self.ground.clock.now()).await?;
            Ok(found.is_some_and(|found| found.active))
        })
    }

    /// One that is not used expires, and nobody is there to say so.
    fn over<'a>(&'a self, names: &'a [&'a str]) -> Pin<Box<dyn Future<Output = Result<Vec<String>, Problem>> + Send + 'a>> {
        Box::pin(async move {
            let ids: Vec<Uuid> = names.iter().filter_map(|name| name.parse().ok()).collect();
            let active = store::active(&self.ground.db, ids.iter().copied(), self.ground.clock.now()).await?;
            Ok(ids.iter().filter(|id| !active.contains(id)).map(Uuid::to_string).collect())
        })
    }
}
