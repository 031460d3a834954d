//! Somebody decides about a device, knowing who asks and from where.
//!
//! The usual fraud is somebody who begins a sign-in of their own and has another person type the code. So whoever decides is
//! told where the request came from and whether that is where they are themselves, and is mailed when a device was let in.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::begin::associated;
use super::codes::{self, Kind};
use super::count;
use super::store::{self, Open, State};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::http::guard::Caller;
use crate::oauth::client::Client;
use crate::secret::Purpose;
use crate::sessions;
use crate::time::Timestamp;

/// The client of a request, as people are shown it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AskingClient {
    client_id: String,
    /// As whoever runs this server named it.
    name: String,
    /// Ours: a part of this installation.
    first_party: bool,
    /// It will be able to do all that the person may do.
    full_access: bool,
}

/// How far from the person a request came. Without a map of addresses this is what can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// From the address that the person has now.
    SameAddress,
    /// From the same network: the first 24 bits of an IPv4 address, 64 of an IPv6 address.
    SameNetwork,
    /// From an address that is not on the Internet.
    PrivateNetwork,
    /// From elsewhere on the Internet. Somebody else, unless the person knows why.
    Elsewhere,
    /// Nobody knows.
    Unknown,
}

/// Where a request came from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestedFrom {
    #[schema(required = true)]
    ip: Option<String>,
    place: Place,
    /// Program and system in a few words, as the device tells them.
    device: String,
    #[schema(required = true)]
    user_agent: Option<String>,
    /// When the device asked.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// A request that waits for a decision.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    client: AskingClient,
    /// What the device will be able to do.
    scopes: Vec<String>,
    requested_from: RequestedFrom,
    /// When the code ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// What somebody decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Approve,
    Deny,
}

/// What to tell whoever typed `code`.
pub(super) async fn look_up(app: &App, caller: &Caller, code: &str, here: &Origin, now: Timestamp) -> Result<Asked, Problem> {
    let (request, client) = find(app, code, now).await?;
    // The command line of this installation acts as its person; every other client as what it was granted.
    let full_access = sessions::is_own(&client.id);
    let scopes = if full_access {
        let person = app.people.view(caller.user).await?.ok_or(Code::SessionRevoked)?;
        app.roles.snapshot().scopes_of(&person.roles).into_iter().map(str::to_owned).collect()
    } else {
        request.scopes.clone()
    };
    Ok(Asked {
        client: AskingClient { client_id: client.id.clone(), name: client.name.clone(), first_party: client.first_party, full_access },
        scopes,
        requested_from: requested_from(app, &request, here),
        expires_at: request.expires_at,
    })
}

/// Decides; of all who try, one.
pub(super) async fn decide(
    app: &App,
    caller: &Caller,
    code: &str,
    decision: Decision,
    here: &Origin,
    now: Timestamp,
) -> Result<(), Problem> {
    let (request, client) = find(app, code, now).await?;
    let (state, action) = match decision {
        Decision::Approve => (State::Approved, audit::DEVICE_APPROVED),
        Decision::Deny => (State::Denied, audit::DEVICE_DENIED),
    };
    let key = app.ground.keyring.get(caller.user).await?;
    let event = audit::Event::new(&app.ground, action, now)
        .actor(Actor::User(caller.user))
        .target(client.uuid().map_or(Target::none("client"), Target::client))
        .detail("client", client.id.clone())
        .detail("request", request.id.to_string())
        .origin(&app.ground, Some(&key), here);
    let (user, session) = (caller.user, caller.session);
    let decided = app
        .ground
        .db
        .write(async move |tx| {
            let decided = store::decide(tx, request.id, state, user, session, now).await?;
            if decided {
                audit::record(tx, &event).await?;
            }
            Ok::<_, Problem>(decided)
        })
        .await?;
    if !decided {
        return Err(nothing_waits());
    }
    count(if decision == Decision::Approve { "approved" } else { "denied" });
    Ok(())
}

/// Wrong, used, decided or expired: a guesser is not told which.
fn nothing_waits() -> Problem {
    Problem::new(Code::NotFound).detail("No device waits with this code. Compare it with what the device shows, or begin there anew.")
}

async fn find(app: &App, code: &str, now: Timestamp) -> Result<(Open, Arc<Client>), Problem> {
    let hashes = codes::hashes(&app.ground.roots, Kind::Short, code);
    let request = store::find_open(&app.ground.db, hashes, now).await?.ok_or_else(nothing_waits)?;
    let client = app.oauth.clients.live(&request.client).await?.ok_or_else(nothing_waits)?;
    Ok((request, client))
}

fn requested_from(app: &App, request: &Open, here: &Origin) -> RequestedFrom {
    let opened = app.ground.roots.open(Purpose::System, &associated(request.id), &request.origin);
    // What does not open is shown as unknown; the person can still deny.
    let origin: Origin = opened.ok().and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default();
    RequestedFrom {
        ip: origin.ip.map(|ip| ip.to_string()),
        place: place(origin.ip, here.ip),
        device: sessions::describe(origin.user_agent.as_deref()),
        user_agent: origin.user_agent,
        at: request.created_at,
    }
}

fn place(there: Option<IpAddr>, here: Option<IpAddr>) -> Place {
    let (Some(there), here) = (there.map(|ip| ip.to_canonical()), here.map(|ip| ip.to_canonical())) else { return Place::Unknown };
    match here {
        Some(here) if here == there => Place::SameAddress,
        Some(here) if network(here) == network(there) => Place::SameNetwork,
        _ if is_private(there) => Place::PrivateNetwork,
        _ => Place::Elsewhere,
    }
}

/// The part of an address that one household or one office shares.
fn network(ip: IpAddr) -> (bool, u128) {
    match ip {
        IpAddr::V4(v4) => (true, u128::from(v4.to_bits() >> 8)),
        IpAddr::V6(v6) => (false, v6.to_bits() >> 64),
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
