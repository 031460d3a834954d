//! `POST /api/v1/realtime/ticket` and the WebSocket at `GET /api/v1/realtime`.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection::{Connection, Holder};
use super::{Presence, socket, ticket};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::flags::declared::REALTIME_PRESENCE;
use crate::http::challenge::Scheme;
use crate::http::extract::Json;
use crate::http::guard::{Caller, Presented, admit, presented, take, take_address};
use crate::http::{Policy, Visit};
use crate::time::Timestamp;

/// The subprotocol. It is the only one that is ever answered: a token that stands beside it is not echoed.
const PROTOCOL: &str = "keystead.v1";
const TOKEN: &str = "keystead.token.";
const TICKET: &str = "keystead.ticket.";

/// Bytes that are read at once; an idle connection holds as many.
const READ_BUFFER: usize = 1024;
/// Bytes that are gathered before they are written.
const WRITE_BUFFER: usize = 4096;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(make_ticket)).routes(routes!(open))
}

/// A ticket for one connection.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TicketMade {
    /// Opens one connection, once. Nobody can read it again.
    ticket: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Make a ticket for a realtime connection
///
/// For browsers, whose WebSocket cannot send headers: open `/api/v1/realtime?ticket=…` with it. It works once and for half a
/// minute, so it may stand in an address. The connection is that of your present session and ends with it.
#[utoipa::path(post, path = "/api/v1/realtime/ticket", tag = "realtime", operation_id = "createRealtimeTicket", security(("bearer" = [])),
    responses((status = 201, body = TicketMade), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn make_ticket(
    State(app): State<App>,
    caller: Caller,
    visit: Visit,
) -> Result<(StatusCode, [(header::HeaderName, &'static str); 1], Json<TicketMade>), Problem> {
    enabled(&app)?;
    take(&app, &visit, Policy::Ticket, caller.user.as_bytes()).await?;
    let now = visit.now();
    let holder = Holder { user: caller.user, session: caller.session, expires_at: caller.expires_at };
    let ticket = ticket::issue(&app.ground, holder, now).await?;
    let made = TicketMade { ticket: ticket.secret, expires_at: ticket.expires_at };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made)))
}

/// Open a realtime connection
///
/// A WebSocket (RFC 6455, over HTTP/1.1) with the subprotocol `keystead.v1`. Who you are is proven by exactly one of: a ticket,
/// as `?ticket=…` or as a second subprotocol `keystead.ticket.…`; an access token as a second subprotocol `keystead.token.…`; or
/// an `Authorization` header. An access token is never taken from the address. The frames are described in `asyncapi.json`.
#[utoipa::path(get, path = "/api/v1/realtime", tag = "realtime", operation_id = "openRealtime", security(("bearer" = [])),
    params(("ticket" = Option<String>, Query, description = "A ticket; it is used up")),
    responses((status = 101, description = "The connection is open"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn open(State(app): State<App>, visit: Visit, request: Request) -> Result<Response, Problem> {
    let mut parts = request.into_parts().0;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let proof = Proof::of(&parts)?;
    if matches!(proof, Proof::Ticket(_)) && upgrade.is_err() {
        // A ticket is not used up by a request that cannot become a connection.
        return Err(no_upgrade());
    }
    if let Proof::Ticket(_) = proof {
        // Nor by one that would be refused anyway.
        enabled(&app)?;
        check_origin(&app, &parts.headers)?;
    }
    let holder = holder(&app, &visit, &parts, &proof).await?;
    enabled(&app)?;
    check_origin(&app, &parts.headers)?;
    let mut upgrade = upgrade.map_err(|_| no_upgrade())?;
    if !upgrade.requested_protocols().any(|offered| offered == PROTOCOL) {
        return Err(Problem::new(Code::InvalidRequest).detail("Offer the subprotocol `keystead.v1`."));
    }
    upgrade.set_selected_protocol(HeaderValue::from_static(PROTOCOL));
    let presence = &app.presence;
    if presence.0.stopping.is_cancelled() {
        let detail = "This instance stops. Connect again: another one answers.";
        return Err(Problem::new(Code::Unavailable).detail(detail).retry_after(std::time::Duration::from_secs(1)));
    }
    accept(presence, upgrade, holder, &visit)
}

fn accept(presence: &Presence, upgrade: WebSocketUpgrade, holder: Holder, visit: &Visit) -> Result<Response, Problem> {
    let settings = &presence.0.ground.settings.presence;
    let connection = Connection::new(holder, visit.client().limit_key(), settings.send_buffer, visit.now());
    let seat = presence.seat(connection, presence.0.ground.random.uuid(visit.now()))?;
    let frame_limit = settings.frame_limit;
    let upgrade =
        upgrade.read_buffer_size(READ_BUFFER).write_buffer_size(WRITE_BUFFER).max_frame_size(frame_limit).max_message_size(frame_limit);
    let sockets = presence.0.sockets.clone();
    Ok(upgrade.on_upgrade(move |socket| sockets.track_future(socket::serve(seat, socket))))
}

/// How a request proves who opens the connection.
enum Proof {
    Ticket(String),
    Token(String),
    Header,
}

impl Proof {
    fn of(parts: &Parts) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let tickets = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "ticket");
        let mut proofs: Vec<Self> = tickets.map(|(_, value)| Self::Ticket(value.into_owned())).collect();
        for offered in parts.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
            for protocol in offered.to_str().unwrap_or_default().split(',').map(str::trim) {
                proofs.extend(protocol.strip_prefix(TICKET).map(|ticket| Self::Ticket(ticket.to_owned())));
                proofs.extend(protocol.strip_prefix(TOKEN).map(|token| Self::Token(token.to_owned())));
            }
        }
        if parts.headers.contains_key(header::AUTHORIZATION) {
            proofs.push(Self::Header);
        }
        match (proofs.pop(), proofs.is_empty()) {
            (Some(proof), true) => Ok(proof),
            // The guard says what is missing, and counts it.
            (None, _) => Ok(Self::Header),
            (Some(_), false) => Err(Problem::new(Code::InvalidRequest).detail("Prove who you are in one way: by a ticket or by a token.")),
        }
    }
}

async fn holder(app: &App, visit: &Visit, parts: &Parts, proof: &Proof) -> Result<Holder, Problem> {
    let token = match proof {
        Proof::Ticket(secret) => return by_ticket(app, visit, secret).await,
        Proof::Token(token) => Some(Presented { scheme: Scheme::Bearer, token }),
        Proof::Header => presented(parts),
    };
    let caller = Caller::of(admit(app, visit, parts, token).await?)?;
    Ok(Holder { user: caller.user, session: caller.session, expires_at: caller.expires_at })
}

async fn by_ticket(app: &App, visit: &Visit, secret: &str) -> Result<Holder, Problem> {
    app.ground.limiter.look(Policy::Global, visit.client().limit_key().as_ref(), visit.now()).await?;
    let Some(holder) = ticket::redeem(&app.ground, secret, visit.now()).await? else {
        take_address(app, visit, Policy::Global).await?;
        let detail = "The ticket is not good: it was used, it is too old, or it never was one. Make a new one.";
        return Err(Problem::new(Code::Unauthenticated).detail(detail));
    };
    app.sessions.revocations().check(holder.session)?;
    visit.set_user(holder.user);
    take(app, visit, Policy::SignedIn, holder.user.as_bytes()).await?;
    Ok(holder)
}

fn enabled(app: &App) -> Result<(), Problem> {
    if app.flags.is_on(REALTIME_PRESENCE) { Ok(()) } else { Err(Code::FeatureDisabled.into()) }
}

/// A browser says which page opens the connection, and only ours and listed ones may. No cookie opens one, so this is the second
/// lock; other clients send no origin.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None) if app.ground.csrf.is_listed(origin) => Ok(()),
        _ => {
            let detail = "This page may not open a connection. Add its origin to CORS_ORIGINS if it is yours.";
            Err(Problem::new(Code::Forbidden).detail(detail))
        }
    }
}

fn no_upgrade() -> Problem {
    let detail = "This address answers WebSockets only: an upgrade by RFC 6455, version 13, over HTTP/1.1.";
    let version = HeaderValue::from_static("13");
    Problem::new(Code::InvalidRequest).detail(detail).header(header::SEC_WEBSOCKET_VERSION, version)
}
