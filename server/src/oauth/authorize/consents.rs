//! Applications that a person let in: seen, and shown the door.

use serde::Serialize;
use utoipa::ToSchema;

use super::store::{self, Consent};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::http::guard::Caller;
use crate::http::page::{List, Page};
use crate::privacy::holdings::{self, Asked, Erasure, Holding, Kept, ROWS, Reading, Records};
use crate::sessions::EndReason;
use crate::time::Timestamp;

/// The applications that people let in.
pub const HOLDING: Holding = Holding {
    name: "applications",
    title: "Applications",
    about: "Which applications you let in, what they may do, and when you agreed.",
    tables: &[("oauth_consents", "user_id")],
    kept: Kept::WithAccount,
    erasure: Erasure::Deleted,
    records: Records::Exported(records),
};

/// Codes on their way to an application.
pub const CODES: Holding = Holding {
    name: "authorizationCodes",
    title: "Authorization codes",
    about: "That an application was let in and has not come for its token yet.",
    tables: &[("oauth_codes", "user_id")],
    kept: Kept::Until("a day after they expired"),
    erasure: Erasure::Deleted,
    records: Records::Withheld("They are secrets for a minute; what you agreed to stands among the applications."),
};

fn records<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let rows = store::consents_of(&app.ground.db, asked.person, asked.after_id(), ROWS).await?;
        let mut shown = Vec::with_capacity(rows.len());
        for consent in &rows {
            shown.push((consent.id, application(app, consent).await?));
        }
        holdings::Page::of(shown, |(id, _)| *id, |(_, application)| Ok(application))
    })
}

/// Names the list in its cursors.
pub(super) const LIST: &str = "applications";

/// An application that a person let in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Application {
    client_id: String,
    /// As whoever runs this server named it; null when it is no longer registered.
    #[schema(required = true)]
    name: Option<String>,
    /// What it may do.
    scopes: Vec<String>,
    /// What its tokens may be for besides this server.
    resources: Vec<String>,
    /// When the person agreed last.
    #[schema(value_type = String, format = DateTime)]
    given_at: Timestamp,
}

/// A page of the applications that the caller let in.
pub(super) async fn list(app: &App, caller: &Caller, page: Page) -> Result<List<Application>, Problem> {
    let rows = store::list_consents(&app.ground.db, caller.user, page).await?;
    let found = page.answer(&app.ground.roots, LIST, rows, |consent| consent.id);
    let mut items = Vec::with_capacity(found.items.len());
    for consent in &found.items {
        items.push(application(app, consent).await?);
    }
    Ok(List { items, next_cursor: found.next_cursor })
}

async fn application(app: &App, consent: &Consent) -> Result<Application, Problem> {
    let Consent { client, scopes, resources, given_at, .. } = consent.clone();
    // From memory, but for clients that nobody used for a while.
    let name = app.oauth.clients.live(&client).await?.map(|known| known.name.clone());
    Ok(Application { client_id: client, name, scopes, resources, given_at })
}

/// Takes back what the caller let `client` do, and ends its sessions.
pub(super) async fn withdraw(app: &App, caller: &Caller, client: &str, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
    let key = app.ground.keyring.get(caller.user).await?;
    let target = crate::oauth::client::registered_id(client).map_or(Target::none("client"), Target::client);
    let event = audit::Event::new(&app.ground, audit::AUTHORIZATION_WITHDRAWN, now)
        .actor(Actor::User(caller.user))
        .target(target)
        .detail("client", client.to_owned())
        .origin(&app.ground, Some(&key), origin);
    let (sessions, user, client) = (app.sessions.clone(), caller.user, client.to_owned());
    let known = app
        .ground
        .db
        .write(async move |tx| {
            if !store::delete_consent(tx, user, &client).await? {
                return Ok(false);
            }
            let ended = sessions.end_of_client(tx, user, &client, EndReason::Revoked, now).await?;
            audit::record(tx, &event.clone().detail("sessions", ended)).await?;
            Ok::<_, Problem>(true)
        })
        .await?;
    let none = "You have not let an application with this id in.";
    if known { Ok(()) } else { Err(Problem::new(Code::NotFound).detail(none)) }
}
