//! Verification: the whole chain is walked again, page by page, and every checkpoint on the way.

use serde::Serialize;
use utoipa::ToSchema;

use super::chain::Break;
use super::checkpoint::{Statement, ours};
use super::inspect::{Fault, Inspector};
use super::{checkpoint_store, store};
use crate::db::DbError;
use crate::ground::Ground;

/// Events in memory at a time.
const PAGE: i64 = 2_000;

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Whether every event is what was sealed, and where.
    pub valid: bool,
    /// Events that were found right.
    pub checked: i64,
    /// The last place that has an event, 0 when nothing is sealed.
    pub sealed_up_to: i64,
    /// The first place where the chain is broken.
    #[schema(required = true)]
    pub first_broken: Option<Broken>,
}

/// Where and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Broken {
    /// The place.
    pub seq: i64,
    /// `altered` (the event is not what was sealed), `missing` (it is gone, or one stands where none belongs), `unlinked`
    /// (it does not follow the one before), `rewritten` (the chain up to there is not the one that was signed), `forged`
    /// (the checkpoint there is not signed by this installation), `unsigned` (a checkpoint that must be there is gone).
    #[schema(value_type = String)]
    pub reason: &'static str,
}

impl Broken {
    pub(super) fn of((seq, reason): Fault) -> Self {
        Self { seq, reason: reason.as_str() }
    }
}

/// Walks the chain from its beginning, in bounded memory.
///
/// # Errors
/// The store does not answer.
pub async fn verify(ground: &Ground) -> Result<Verification, DbError> {
    loop {
        let state = checkpoint_store::state(&ground.db).await?;
        let mut walk = DbWalk { ground, begin: state.begins.as_ref().map_or(0, |begins| begins.seq), seq: 0, newest: state.newest };
        walk.seq = walk.begin;
        let last = state.head.map_or(0, |(seq, _)| seq);
        let found = match Inspector::new(ours(ground, &state.keys), state.begins.as_ref()) {
            Ok(inspector) => walk.to(last, inspector).await?,
            Err(fault) => Some(fault),
        };
        let checked = walk.seq - walk.begin;
        let verification = Verification { valid: found.is_none(), checked, sealed_up_to: last, first_broken: found.map(Broken::of) };
        // Retention may have cut what was about to be read.
        let begin = checkpoint_store::begins(&ground.db).await?.map_or(0, |begins| begins.seq);
        if verification.valid || begin == walk.begin {
            return Ok(verification);
        }
    }
}

struct DbWalk<'a> {
    ground: &'a Ground,
    begin: i64,
    seq: i64,
    newest: Option<Statement>,
}

impl DbWalk<'_> {
    /// Walks up to the event that was the last when this began.
    async fn to(&mut self, last: i64, mut inspector: Inspector) -> Result<Option<Fault>, DbError> {
        // Places begin behind the beginning; one before would be an event added by hand.
        let mut page = store::links_after(&self.ground.db, i64::MIN, PAGE).await?;
        let newest = self.newest.as_ref().map_or(0, |newest| newest.seq);
        while let Some(end) = page.last().map(|link| link.seq) {
            // The next page is read while this one is hashed.
            let ahead = (end < last).then(|| {
                let db = self.ground.db.clone();
                tokio::spawn(async move { store::links_after(&db, end, PAGE).await })
            });
            let statements = checkpoint_store::between(&self.ground.db, self.seq, end.min(newest), PAGE).await?;
            let mut statements = statements.iter().peekable();
            for link in page.iter().filter(|link| link.seq <= last) {
                let mut step = inspector.event(link);
                while step.is_ok()
                    && let Some(statement) = statements.next_if(|statement| statement.seq <= link.seq)
                {
                    step = inspector.statement(statement);
                }
                if step.is_ok() {
                    self.seq = inspector.seq();
                } else {
                    return Ok(step.err());
                }
            }
            page = match ahead {
                Some(ahead) => ahead.await.map_err(|error| DbError::Other(error.to_string()))??,
                None => break,
            };
        }
        // A checkpoint tells of more: the end was cut off.
        Ok((newest > self.seq).then_some((self.seq + 1, Break::Missing)))
    }
}
