//! Channels: how they are named, and who may join which.
//!
//! A name is a kind and a name of that kind: `room:lobby`. `user:{id}` is for that person alone, `room:{name}` for everybody who
//! is signed in. Other kinds belong to the slice that brings an [`Authorizer`] for them; a kind that nobody brings does not exist.

use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Code, Problem};

/// The longest name of a channel, in bytes.
pub const NAME_MAX: usize = 128;
/// Channels that a slice is asked about at once.
const ASKED_AT_ONCE: usize = 500;

/// Decides who may join the channels of one kind.
pub trait Authorizer: Send + Sync {
    /// Whether `user` may join the channel `name` (what follows the colon) now. Whoever may not is told that there is no such channel.
    fn may_join<'a>(&'a self, user: Uuid, name: &'a str) -> Pin<Box<dyn Future<Output = Result<bool, Problem>> + Send + 'a>>;

    /// Which of the channels `names` are over, without anybody having said so: whoever is in one is made to leave. Asked twice a
    /// minute about those with listeners.
    fn over<'a>(&'a self, names: &'a [&'a str]) -> Pin<Box<dyn Future<Output = Result<Vec<String>, Problem>> + Send + 'a>> {
        let _ = names;
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// The kinds that slices brought.
#[derive(Clone, Default)]
pub struct Kinds(Vec<(&'static str, Arc<dyn Authorizer>)>);

impl Kinds {
    /// Kinds by their name, such as `voice`.
    pub fn new(brought: Vec<(&'static str, Arc<dyn Authorizer>)>) -> Self {
        Self(brought)
    }

    /// Whether somebody has to look up who may join `channel`.
    pub fn looks_up(&self, channel: &str) -> bool {
        split(channel).is_some_and(|(kind, _)| self.0.iter().any(|(known, _)| *known == kind))
    }

    /// Which of `channels` are over.
    ///
    /// # Errors
    /// The slice that knows cannot tell.
    pub async fn over(&self, channels: &[Arc<str>]) -> Result<Vec<String>, Problem> {
        let mut over = Vec::new();
        for (kind, authorizer) in &self.0 {
            let of_kind = |channel: &'_ Arc<str>| split(channel).is_some_and(|(of, _)| of == *kind);
            let names: Vec<&str> = channels.iter().filter(|channel| of_kind(channel)).map(|channel| &channel[kind.len() + 1..]).collect();
            for names in names.chunks(ASKED_AT_ONCE) {
                over.extend(authorizer.over(names).await?.into_iter().map(|name| format!("{kind}:{name}")));
            }
        }
        Ok(over)
    }

    /// Lets `user` into `channel`, or says why not.
    ///
    /// # Errors
    /// `validation_failed` for what is no name; `not_found` for what does not exist or is not theirs.
    pub async fn check(&self, user: Uuid, channel: &str) -> Result<(), Problem> {
        let Some((kind, name)) = split(channel) else { return Err(malformed()) };
        let allowed = match kind {
            "room" => true,
            // Written as we write ids, so that a person has one channel and not one for each spelling.
            "user" => name == user.to_string(),
            _ => match self.0.iter().find(|(known, _)| *known == kind) {
                Some((_, authorizer)) => authorizer.may_join(user, name).await?,
                None => false,
            },
        };
        if allowed { Ok(()) } else { Err(Problem::new(Code::NotFound).detail("There is no such channel.")) }
    }
}

/// Kind and name; `None` when it is no name of a channel.
fn split(channel: &str) -> Option<(&str, &str)> {
    let (kind, name) = channel.split_once(':')?;
    let kind_is_good = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let name_is_good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    (channel.len() <= NAME_MAX && kind_is_good && name_is_good).then_some((kind, name))
}

fn malformed() -> Problem {
    let message = "Use a kind, a colon and a name of letters, digits, dots, dashes and underscores, at most 128 characters: room:lobby.";
    Problem::new(Code::ValidationFailed).field("channel", "invalid", message)
}
