//! The server as HTTP sees it: connections, the gates every request passes, and the few routes that
//! belong to no feature (health, API reference, landing page).
//!
//! A request enters through [`serve`] (accept, protocol, draining), passes the [`Gate`] (request id,
//! client address, load shed, limits of size and time, CORS, panics, security headers, metrics, access
//! log; one pass, no tower of layers) and reaches the router. What handlers and guards want the gate to
//! know (user, extra headers) they leave in the request's [`Visit`]. [`Limiter`] counts, [`Csrf`] guards
//! cookie-authorised writes, [`deprecated`] announces the end of a route. Failures are
//! [`Problem`](crate::error::Problem)s; the gate writes their bodies.

pub mod admission;
pub mod answer;
pub mod body;
pub mod challenge;
pub mod client_ip;
pub mod compress;
mod connection;
pub mod context;
pub mod cors;
pub mod csrf;
pub mod deprecation;
pub mod docs;
pub mod extract;
pub mod fallback;
pub mod gate;
pub mod guard;
pub mod health;
pub mod if_match;
pub mod keyset;
pub mod known_query;
pub mod landing;
pub mod limits;
mod misfit;
pub mod ops;
pub mod page;
pub mod request_id;
pub mod security_headers;
pub mod server;
pub mod template;
pub mod visit;

pub use client_ip::{ClientIp, LimitKey, limit_key};
pub use csrf::Csrf;
pub use deprecation::deprecated;
pub use gate::{Allowance, Gate, GateSettings, GateTools};
pub use health::{CheckResult, Health, Readiness, Status};
pub use limits::{LimitHeaders, Limiter, Policy};
pub use request_id::RequestId;
pub use server::{ServerSettings, bind, serve};
pub use visit::{UserId, Visit};
