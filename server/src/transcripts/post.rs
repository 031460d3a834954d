//! Stores what is posted: all of it or nothing, durable before it is answered, told to every instance after that.

use super::channel;
use super::merge::{self, Conflict};
use super::segment::{self, Segment};
use super::store::{self, Growth, Session, Stored};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::secret::{PersonKey, SealError};
use crate::time::Timestamp;
use crate::voice::{self, Standing};

/// How a post ends that is not undone.
enum Outcome {
    /// It is stored; so many segments were changed by it.
    Stored(usize),
    /// The voice session ended too long ago.
    Over,
    /// There is no such voice session any more.
    Gone,
}

/// Why a post is undone.
enum Failure {
    /// A final segment would change.
    Refused(Conflict),
    /// There would be more of the session than is kept.
    Full(Growth),
    Db(DbError),
    Seal(SealError),
}

/// Stores `segments` in the transcript of `session` and says how many were accepted: all, those that changed nothing included.
///
/// # Errors
/// `conflict` when a final segment would change; `gone` when the session ended longer ago than the grace; `not_found`.
pub(super) async fn post(app: &App, session: Session, segments: Vec<Segment>, now: Timestamp) -> Result<usize, Problem> {
    let ground = &app.ground;
    let key = ground.keyring.get(session.owner).await?;
    let accepted = segments.len();
    // Sealed before, because on SQLite everybody who writes waits for the transaction.
    let sealed: Vec<_> = segments.iter().map(|segment| segment.sealed(&key, session.id, now)).collect();
    let open_after = now.minus(ground.settings.transcripts.grace);
    let idle = ground.settings.voice.idle_ttl;
    let most = Growth { segments: ground.settings.transcripts.segment_limit, bytes: ground.settings.transcripts.size_limit };
    let (live, presence) = (app.transcripts.clone(), app.presence.clone());
    let work = async move |tx: &mut Tx| {
        let (id, owner) = (session.id, session.owner);
        if voice::own_active(tx, id, owner, idle, now).await? == Standing::Unknown {
            return Ok(Outcome::Gone);
        }
        // A batch is a hundred at most.
        let count = i64::try_from(segments.len()).unwrap_or(i64::MAX);
        let Some(last) = store::take(tx, id, owner, count, open_after, now).await? else { return Ok(Outcome::Over) };
        let held = held(tx, session, &segments).await?;
        let changed = changes(&held, &key, session, &segments)?;
        if changed.is_empty() {
            return Ok(Outcome::Stored(0));
        }
        if !store::grow(tx, id, growth(&held, changed.iter().map(|&index| &sealed[index])), most).await? {
            return Err(Failure::Full(most));
        }
        let rows = changed.iter().zip(positions(last, count, &changed)).map(|(&index, position)| (position, &sealed[index]));
        let written = store::put(tx, id, rows, now).await?;
        // The counter's row is held, so nobody made one of them final in between.
        if written != changed.len() as u64 {
            return Err(Failure::Db(DbError::Serialization));
        }
        let shown: Vec<_> =
            changed.iter().zip(positions(last, count, &changed)).map(|(&index, at)| segments[index].shown(at, now)).collect();
        let (live, presence) = (live.clone(), presence.clone());
        tx.on_commit(move || {
            live.publish(id, last);
            channel::tell(&presence, id, &shown);
        });
        Ok(Outcome::Stored(changed.len()))
    };
    match ground.db.write(work).await {
        Ok(Outcome::Stored(changed)) => {
            count("stored", changed);
            count("repeated", accepted - changed);
            Ok(accepted)
        }
        Ok(Outcome::Over) => {
            count("refused", accepted);
            Err(Problem::new(Code::Gone).detail("The voice session has ended, and the time for late segments is over."))
        }
        Ok(Outcome::Gone) => Err(Code::NotFound.into()),
        Err(Failure::Refused(Conflict(seq))) => {
            count("refused", accepted);
            Err(Problem::new(Code::Conflict).detail(format!(
                "Segment {seq} is final and has other content; a final segment never changes. Nothing of this post was stored."
            )))
        }
        Err(Failure::Full(most)) => {
            count("refused", accepted);
            Err(Problem::new(Code::Conflict).detail(format!(
                "Of a voice session {} segments and {} bytes are kept at most; with this post there would be more. Nothing of it was stored. \
                 Go on in another voice session.",
                most.segments, most.bytes
            )))
        }
        Err(Failure::Db(error)) => Err(error.into()),
        Err(Failure::Seal(error)) => Err(error.into()),
    }
}

/// The positions of the changes with these indexes, of `count` that end with `last`.
fn positions(last: i64, count: i64, changed: &[usize]) -> impl Iterator<Item = i64> {
    changed.iter().map(move |&index| last - count + 1 + i64::try_from(index).unwrap_or(0))
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// What is stored under the numbers of `segments`.
async fn held(tx: &mut Tx, session: Session, segments: &[Segment]) -> Result<Vec<Stored>, DbError> {
    let mut seqs: Vec<i64> = segments.iter().map(|segment| segment.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    store::held(tx, session.id, &seqs).await
}

/// Which of `segments`, by index, change something of what is `held`.
fn changes(held: &[Stored], key: &PersonKey, session: Session, segments: &[Segment]) -> Result<Vec<usize>, Failure> {
    let open = |stored| segment::open(stored, key, session.id).map(Segment::from);
    let held = held.iter().map(open).collect::<Result<Vec<_>, _>>().map_err(Failure::Seal)?;
    merge::changes(&held, segments).map_err(Failure::Refused)
}

/// What `new` ones, each of another number, add to those that are `held`.
fn growth<'s>(held: &[Stored], new: impl Iterator<Item = &'s Stored>) -> Growth {
    // A content is some kilobytes at most.
    let size = |stored: &Stored| i64::try_from(stored.content.len()).unwrap_or(i64::MAX);
    new.fold(Growth { segments: 0, bytes: 0 }, |sum, new| match held.iter().find(|old| old.seq == new.seq) {
        Some(old) => Growth { bytes: sum.bytes + size(new) - size(old), ..sum },
        None => Growth { segments: sum.segments + 1, bytes: sum.bytes + size(new) },
    })
}

fn count(outcome: &'static str, segments: usize) {
    if segments > 0 {
        metrics::counter!("keystead_transcript_segments_total", "outcome" => outcome).increment(segments as u64);
    }
}
