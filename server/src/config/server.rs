//! Listeners, the public address, and what one request may cost.

use std::net::SocketAddr;
use std::time::Duration;

use super::fault::Fault;
use super::values::Values;
use super::{network, parse, urls};

/// `KEYSTEAD_SERVER__…` and the conventional names beside it.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address or host name the HTTP listener binds to.
    pub host: String,
    /// Its port; 0 lets the system choose.
    pub port: u16,
    /// Listener for metrics and health detail; `None` when it is off.
    pub ops_addr: Option<SocketAddr>,
    /// Scheme, host and port under which people reach the server; no trailing slash.
    pub public_url: String,
    /// Longest a request may take as a whole.
    pub request_timeout: Duration,
    /// Longest a client may take to send the request head.
    pub header_timeout: Duration,
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Requests worked on at once; more are shed.
    pub max_in_flight: usize,
    /// Open connections.
    pub max_connections: usize,
    /// How long running requests may finish after the signal to stop.
    pub shutdown_grace: Duration,
    /// How many instances the operator announces; more than one needs PostgreSQL and Redis.
    pub instances: u32,
    /// Threads of the async runtime; 0 = one per core.
    pub worker_threads: usize,
}

impl Server {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        let port = values.get("server.port", parse::number)?;
        let public_url = values.optional("server.public_url", urls::public)?;
        Ok(Self {
            host: values.get("server.host", network::host)?,
            port,
            ops_addr: values.get("server.ops_addr", network::address)?,
            public_url: public_url.unwrap_or_else(|| format!("http://localhost:{port}")),
            request_timeout: values.get("server.request_timeout", parse::span)?,
            header_timeout: values.get("server.header_timeout", parse::span)?,
            body_limit: values.get("server.body_limit", parse::size)?,
            max_in_flight: values.get("server.max_in_flight", parse::number)?,
            max_connections: values.get("server.max_connections", parse::number)?,
            shutdown_grace: values.get("server.shutdown_grace", parse::span)?,
            instances: values.get("server.instances", parse::number)?,
            worker_threads: values.get("server.worker_threads", parse::number)?,
        })
    }
}
