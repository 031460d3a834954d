//! Realtime connections: how many, how long, how much.

use std::time::Duration;

use super::fault::Fault;
use super::parse;
use super::values::Values;

/// `KEYSTEAD_PRESENCE__…`.
#[derive(Clone, Copy, Debug)]
pub struct Presence {
    /// A connection that is silent for two of these is closed.
    pub heartbeat: Duration,
    /// How long a lost connection may be resumed.
    pub resume_window: Duration,
    /// An instance that is not heard for so long is gone, and so are its connections.
    pub lease: Duration,
    /// Life of a ticket.
    pub ticket_ttl: Duration,
    /// Connections of this instance.
    pub max_connections: usize,
    /// Connections of one person to this instance.
    pub connections_per_user: u32,
    /// Connections of one address to this instance.
    pub connections_per_address: u32,
    /// Channels that one connection may join.
    pub channels_per_connection: u32,
    /// Connections that one channel may have, on all instances.
    pub members_per_channel: usize,
    /// Messages that a connection may send per second, and all of a person together twice as many; twice as many at once.
    pub messages_per_second: u32,
    /// Longest message of a client, in bytes.
    pub frame_limit: usize,
    /// Bytes that may wait for a client before it is too slow.
    pub send_buffer: usize,
}

impl Presence {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self {
            heartbeat: values.get("presence.heartbeat", parse::span)?,
            resume_window: values.get("presence.resume_window", parse::span)?,
            lease: values.get("presence.lease", parse::span)?,
            ticket_ttl: values.get("presence.ticket_ttl", parse::span)?,
            max_connections: values.get("presence.max_connections", parse::number)?,
            connections_per_user: values.get("presence.connections_per_user", parse::number)?,
            connections_per_address: values.get("presence.connections_per_address", parse::number)?,
            channels_per_connection: values.get("presence.channels_per_connection", parse::number)?,
            members_per_channel: values.get("presence.members_per_channel", parse::number)?,
            messages_per_second: values.get("presence.messages_per_second", parse::number)?,
            frame_limit: values.get("presence.frame_limit", parse::size)?,
            send_buffer: values.get("presence.send_buffer", parse::size)?,
        })
    }
}
