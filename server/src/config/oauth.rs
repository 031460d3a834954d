//! The OAuth provider.

use std::time::Duration;

use ipnet::IpNet;

use super::fault::Fault;
use super::values::Values;
use super::{network, parse};

/// `KEYSTEAD_OAUTH__…`.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// Life of the codes of a device that asks to be signed in.
    pub device_code_ttl: Duration,
    /// Pause between two questions of such a device.
    pub device_interval: Duration,
    /// Where clients are told of ended sessions, besides the Internet.
    pub backchannel_networks: Vec<IpNet>,
}

impl OAuth {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self {
            device_code_ttl: values.get("oauth.device_code_ttl", parse::span)?,
            device_interval: values.get("oauth.device_interval", parse::span)?,
            backchannel_networks: values.optional("oauth.backchannel_networks", network::networks)?.unwrap_or_default(),
        })
    }
}
