//! Who may post to a transcript, and who may read it.
//!
//! The owner of the voice session does both, by themselves or by what acts for them and has the scope. A service posts when it has
//! `transcripts:relay` **and** redeemed a join token of just this session: the owner's side handed it that token. So one who talks to
//! the service cannot have it write into the session of somebody else by naming its id. A service reads nothing.

use uuid::Uuid;

use super::store::{self, Session};
use crate::access::scope;
use crate::app::App;
use crate::error::{Code, Problem};
use crate::http::guard::{Scope, Subject, Verified, lacks};

const SERVICE: &str = "This needs a person who is signed in; this access token speaks for a client.";

/// The voice session `id`, to which `caller` may post.
///
/// # Errors
/// `insufficient_scope`, `forbidden` for who acts as somebody else, and `not_found` for what is not theirs.
pub(super) async fn to_post(app: &App, caller: &Verified, id: Uuid) -> Result<Session, Problem> {
    if caller.impersonator.is_some() {
        let detail = "Whoever acts as somebody else does not write down what they said.";
        return Err(caller.refused(Problem::new(Code::Forbidden).detail(detail)));
    }
    match caller.subject {
        Subject::Service(client) => {
            holds::<scope::TranscriptsRelay>(app, caller).await?;
            // The same whether the session exists or not.
            let none = || Problem::new(Code::NotFound).detail("This service has redeemed no token of a voice session with this id.");
            let session = store::find(&app.ground.db, id).await?.ok_or_else(none)?;
            if store::was_let_in(&app.ground.db, session.id, client).await? { Ok(session) } else { Err(none()) }
        }
        Subject::Person { user, .. } | Subject::Token { user, .. } => {
            holds::<scope::TranscriptsWrite>(app, caller).await?;
            own(app, user, id).await
        }
    }
}

/// The voice session `id` of `owner`.
///
/// # Errors
/// `not_found`, also when it is somebody else's.
pub(super) async fn own(app: &App, owner: Uuid, id: Uuid) -> Result<Session, Problem> {
    let session = find(app, id).await?;
    if session.owner == owner { Ok(session) } else { Err(Code::NotFound.into()) }
}

/// The voice session `id`, to which the holder of `token` may listen.
///
/// # Errors
/// As [`own`]; `insufficient_scope`; `forbidden` for a service.
pub(super) async fn to_listen(app: &App, token: &Verified, id: Uuid) -> Result<Session, Problem> {
    let user = token.subject.person().ok_or_else(|| token.refused(Problem::new(Code::Forbidden).detail(SERVICE)))?;
    holds::<scope::TranscriptsRead>(app, token).await?;
    own(app, user, id).await
}

async fn find(app: &App, id: Uuid) -> Result<Session, Problem> {
    Ok(store::find(&app.ground.db, id).await?.ok_or(Code::NotFound)?)
}

async fn holds<S: Scope>(app: &App, caller: &Verified) -> Result<(), Problem> {
    let holds = caller.own || app.grants(caller, S::NAME).await.map_err(|problem| caller.refused(problem))?;
    if holds { Ok(()) } else { Err(lacks::<S>(caller)) }
}
