//! Resume tokens: the right to take the place of one's own lost connection, on any instance.
//!
//! base64url(key id ‖ connection ‖ epoch ‖ HMAC over those, the person and the session). Nothing is stored: every instance can check
//! it, also when the one that gave it is gone, and the epoch makes it good once.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::connection::Connection;
use crate::secret::{Purpose, RootKeys};

const LENGTH: usize = 4 + 16 + 4 + 32;

/// The token of `connection`, which is known as `id`.
pub(super) fn seal(roots: &RootKeys, connection: &Connection, id: Uuid, epoch: u32) -> String {
    let epoch = epoch.to_be_bytes();
    let (key, tag) = roots.mac(Purpose::System, &parts(connection, &id, &epoch));
    BASE64_URL_SAFE_NO_PAD.encode([key.as_slice(), id.as_bytes(), &epoch, &tag].concat())
}

/// The connection and the epoch that `token` is for; `None` when it is not of the person and the session of `by`.
pub(super) fn open(roots: &RootKeys, by: &Connection, token: &str) -> Option<(Uuid, u32)> {
    let mut bytes = [0; LENGTH];
    if BASE64_URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()? != LENGTH {
        return None;
    }
    let (key, rest) = bytes.split_first_chunk::<4>()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    let (epoch, tag) = rest.split_first_chunk::<4>()?;
    let id = Uuid::from_bytes(*id);
    roots.verify(*key, Purpose::System, &parts(by, &id, epoch), tag).then(|| (id, u32::from_be_bytes(*epoch)))
}

fn parts<'a>(connection: &'a Connection, id: &'a Uuid, epoch: &'a [u8; 4]) -> [&'a [u8]; 5] {
    [b"realtime resume 1", id.as_bytes(), connection.user.as_bytes(), connection.session.as_bytes(), epoch]
}
