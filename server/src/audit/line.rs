//! The lines of an export (NDJSON): everything the hashes and signatures cover, so that it is verified without a database.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chain::{Hash, Link, Recorded};
use super::checkpoint::{Kind, Statement};
use super::extract::Digest;
use super::search::Filter;
use crate::db::hex;
use crate::secret::PublicKey;
use crate::time::Timestamp;

/// A line. A member nobody knows is refused: no hash would cover it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// The first line: what this is, and who signs.
    Trail(Head),
    /// An event.
    Event(Box<EventLine>),
    /// The chain goes through the event before.
    Checkpoint(StatementLine),
    /// The older part was deleted; the second line, if any.
    Begins(StatementLine),
    /// An export begins behind that event because somebody asked for it; the second line, if any.
    From(StatementLine),
    /// The last line.
    End(StatementLine),
    /// The first line of an extract: what it is narrowed by, and who signs.
    Extract(ExtractHead),
    /// The last line of an extract.
    Extracted(StatementLine),
}

/// What an extract is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractHead {
    version: u32,
    /// As in [`Head`].
    keys: Vec<Jwk>,
    filter: FilterLine,
}

/// What an extract is narrowed by. Its JSON text begins the digest, so the order of the members is a promise.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilterLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    after: i64,
}

/// What the file is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    version: u32,
    /// The public keys, each as an RFC 8037 JWK.
    pub keys: Vec<Jwk>,
}

/// A public key.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
}

/// Somebody or something.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    r#type: String,
    id: Option<Uuid>,
}

/// An event with every column that its hash covers.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventLine {
    seq: i64,
    id: Uuid,
    at: String,
    actor: Party,
    action: String,
    target: Party,
    outcome: String,
    sealed_for: Option<Uuid>,
    /// Sealed, as base64url: an export gives nobody away, and nobody who was erased comes back in it.
    origin: Option<String>,
    request_id: Option<String>,
    /// The JSON text to the byte.
    details: String,
    previous_hash: Option<String>,
    hash: Option<String>,
    /// In an extract, the digest up to this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extract: Option<String>,
}

/// A signed statement.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatementLine {
    seq: i64,
    hash: String,
    at: String,
    kid: String,
    signature: String,
}

const VERSION: u32 = 1;

impl Head {
    /// The first line of an export whose statements `keys` sign.
    pub fn of(keys: &[PublicKey]) -> Self {
        let jwk = |key: &PublicKey| Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            kid: key.kid(),
            x: URL_SAFE_NO_PAD.encode(key.as_bytes()),
        };
        Self { version: VERSION, keys: keys.iter().map(jwk).collect() }
    }

    /// The keys; nothing when this is a file of another version, or one of them is no key.
    pub fn keys(&self) -> Option<Vec<PublicKey>> {
        let key = |jwk: &Jwk| PublicKey::new(&decode(&jwk.x)?).filter(|key| key.kid() == jwk.kid);
        (self.version == VERSION).then(|| self.keys.iter().map(key).collect()).flatten()
    }
}

impl ExtractHead {
    /// The first line of an extract by `filter` of what came behind `after`.
    pub fn of(keys: &[PublicKey], filter: &Filter, after: i64) -> Self {
        let Head { version, keys } = Head::of(keys);
        let within = |at: Timestamp| (i64::MIN + 1..i64::MAX).contains(&at.as_micros()).then(|| at.to_rfc3339());
        let filter = FilterLine {
            actor: filter.actor,
            action: filter.action.clone(),
            target: filter.target,
            outcome: filter.outcome.map(str::to_owned),
            from: within(filter.from),
            to: within(filter.to),
            after,
        };
        Self { version, keys, filter }
    }

    /// As [`Head::keys`].
    pub fn keys(self) -> Option<Vec<PublicKey>> {
        Head { version: self.version, keys: self.keys }.keys()
    }

    /// What the digest begins with.
    pub fn digest(&self) -> Digest {
        Digest::of(&serde_json::to_vec(&self.filter).unwrap_or_default())
    }

    /// The place behind which the extract begins.
    pub fn after(&self) -> i64 {
        self.filter.after
    }
}

impl From<Link> for EventLine {
    fn from(link: Link) -> Self {
        let event = link.event;
        Self {
            seq: link.seq,
            id: event.id,
            at: event.at.to_rfc3339(),
            actor: Party { r#type: event.actor_type, id: event.actor },
            action: event.action,
            target: Party { r#type: event.target_type, id: event.target },
            outcome: event.outcome,
            sealed_for: event.sealed_for,
            origin: event.origin.map(|origin| URL_SAFE_NO_PAD.encode(origin)),
            request_id: event.request_id,
            details: event.details,
            previous_hash: link.previous.map(|hash| hex(&hash)),
            hash: link.hash.map(|hash| hex(&hash)),
            extract: None,
        }
    }
}

impl EventLine {
    /// The same line in an extract.
    pub fn in_extract(mut self, digest: &Digest) -> Self {
        self.extract = Some(hex(digest.hash()));
        self
    }

    /// The digest it says the extract has up to it.
    pub fn extract(&self) -> Option<Hash> {
        self.extract.as_deref().and_then(unhex)
    }

    /// Whether it says it belongs to an extract.
    pub fn is_extract(&self) -> bool {
        self.extract.is_some()
    }

    /// The event; nothing when a member is not what it is called.
    pub fn link(self) -> Option<Link> {
        let origin = match self.origin {
            Some(text) => Some(decode(&text)?),
            None => None,
        };
        let event = Recorded {
            id: self.id,
            at: Timestamp::parse_rfc3339(&self.at)?,
            actor_type: self.actor.r#type,
            actor: self.actor.id,
            action: self.action,
            target_type: self.target.r#type,
            target: self.target.id,
            outcome: self.outcome,
            sealed_for: self.sealed_for,
            origin,
            request_id: self.request_id,
            details: self.details,
        };
        let hash = |text: Option<String>| text.as_deref().and_then(unhex);
        Some(Link { event, seq: self.seq, previous: hash(self.previous_hash), hash: hash(self.hash) })
    }
}

impl From<&Statement> for Line {
    fn from(statement: &Statement) -> Self {
        let line = StatementLine {
            seq: statement.seq,
            hash: hex(&statement.hash),
            at: statement.at.to_rfc3339(),
            kid: statement.kid.clone(),
            signature: URL_SAFE_NO_PAD.encode(&statement.signature),
        };
        match statement.kind {
            Kind::Checkpoint => Self::Checkpoint(line),
            Kind::Begins => Self::Begins(line),
            Kind::End => Self::End(line),
            Kind::From => Self::From(line),
            Kind::Extract => Self::Extracted(line),
        }
    }
}

impl StatementLine {
    /// The statement; nothing when a member is not what it is called.
    pub fn statement(self, kind: Kind) -> Option<Statement> {
        Some(Statement {
            kind,
            seq: self.seq,
            hash: unhex(&self.hash)?,
            at: Timestamp::parse_rfc3339(&self.at)?,
            kid: self.kid,
            signature: decode(&self.signature)?,
        })
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn unhex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}
