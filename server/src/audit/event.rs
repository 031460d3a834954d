//! One audit event, ready to be written.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::chain::Recorded;
use crate::ground::Ground;
use crate::http::context::Origin;
use crate::http::guard::Subject;
use crate::secret::{PersonKey, Place, Purpose, RootKeys};
use crate::time::Timestamp;

/// Sessions that an event names at most; it counts all of them.
const NAMED: usize = 100;

/// The name of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action(pub &'static str);

/// Who acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person.
    User(Uuid),
    /// An OAuth client, for itself.
    Client(Uuid),
    /// An operator at the command line.
    Operator,
    /// Keystead itself: a schedule, a retention rule.
    System,
    /// Nobody who could be known.
    Unknown,
}

impl From<Subject> for Actor {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Person { user, .. } | Subject::Token { user, .. } => Self::User(user),
            Subject::Service(client) => Self::Client(client),
        }
    }
}

/// What was acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) kind: &'static str,
    pub(super) id: Option<Uuid>,
}

impl Target {
    /// A person.
    pub const fn user(id: Uuid) -> Self {
        Self { kind: "user", id: Some(id) }
    }

    /// A session.
    pub const fn session(id: Uuid) -> Self {
        Self { kind: "session", id: Some(id) }
    }

    /// An OAuth client.
    pub const fn client(id: Uuid) -> Self {
        Self { kind: "client", id: Some(id) }
    }

    /// One access token, by its `jti`; or one personal access token.
    pub const fn token(id: Uuid) -> Self {
        Self { kind: "token", id: Some(id) }
    }

    /// A voice session.
    pub const fn voice_session(id: Uuid) -> Self {
        Self { kind: "voice_session", id: Some(id) }
    }

    /// A job of the queue.
    pub const fn job(id: Uuid) -> Self {
        Self { kind: "job", id: Some(id) }
    }

    /// A file of a person's data.
    pub const fn export(id: Uuid) -> Self {
        Self { kind: "export", id: Some(id) }
    }

    /// Something without an id.
    pub const fn none(kind: &'static str) -> Self {
        Self { kind, id: None }
    }
}

/// An event; made outside the transaction, because sealing may need the keyring.
#[derive(Clone, Debug)]
pub struct Event {
    pub(super) id: Uuid,
    pub(super) at: Timestamp,
    pub(super) actor: Actor,
    pub(super) action: Action,
    pub(super) target: Target,
    pub(super) outcome: &'static str,
    pub(super) sealed_for: Option<Uuid>,
    pub(super) origin: Option<Vec<u8>>,
    pub(super) request_id: Option<String>,
    pub(super) details: Map<String, Json>,
}

impl Event {
    /// `action` happened at `now`, successfully unless [`Event::denied`] says otherwise.
    pub fn new(ground: &Ground, action: Action, now: Timestamp) -> Self {
        Self {
            id: ground.random.uuid(now),
            at: now,
            actor: Actor::System,
            action,
            target: Target::none("installation"),
            outcome: "success",
            sealed_for: None,
            origin: None,
            request_id: None,
            details: Map::new(),
        }
    }

    /// Who acted.
    #[must_use]
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// What was acted on.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// The act was refused.
    #[must_use]
    pub fn denied(mut self) -> Self {
        self.outcome = "denied";
        self
    }

    /// A detail; never personal data, never a secret.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Sessions that ended with the act: how many, and which, because what follows from the end of one names it as its `cause`.
    #[must_use]
    pub fn sessions(self, ended: &[Uuid]) -> Self {
        let named: Vec<String> = ended.iter().take(NAMED).map(Uuid::to_string).collect();
        self.detail("count", ended.len()).detail("sessions", named)
    }

    /// Where the act came from, sealed for the person when there is one.
    #[must_use]
    pub fn origin(self, ground: &Ground, key: Option<&PersonKey>, origin: &Origin) -> Self {
        self.because(ground, key, origin, None)
    }

    /// The same with the reason that whoever acted gave. People write names into reasons, so it is sealed as well.
    #[must_use]
    pub fn because(mut self, ground: &Ground, key: Option<&PersonKey>, origin: &Origin, reason: Option<&str>) -> Self {
        self.request_id.clone_from(&origin.request_id);
        if let Some(admin) = origin.impersonator {
            self.details.insert("impersonator".to_owned(), admin.to_string().into());
        }
        let mut plain = serde_json::json!({ "ip": origin.ip, "userAgent": origin.user_agent });
        if let Some(reason) = reason {
            plain["reason"] = reason.into();
        }
        let plain = plain.to_string();
        let place = Place { table: "audit_events", column: "origin", row: self.id.as_bytes() };
        self.sealed_for = key.map(PersonKey::person);
        self.origin = Some(match key {
            Some(key) => key.seal(place, plain.as_bytes()),
            None => ground.roots.seal(Purpose::System, &[b"audit_events.origin", self.id.as_bytes().as_slice()].concat(), plain.as_bytes()),
        });
        self
    }
}

/// Where an act came from, as far as it can still be opened: without the person's key it cannot, which is what erasing is for.
pub(super) fn open_origin(roots: &RootKeys, key: Option<&PersonKey>, event: &Recorded) -> Origin {
    open_sealed(roots, key, event).0
}

/// The same with the reason that was given.
pub(super) fn open_sealed(roots: &RootKeys, key: Option<&PersonKey>, event: &Recorded) -> (Origin, Option<String>) {
    let Some(sealed) = &event.origin else { return Default::default() };
    let opened = match (event.sealed_for, key) {
        (Some(_), Some(key)) => key.open(Place { table: "audit_events", column: "origin", row: event.id.as_bytes() }, sealed),
        (Some(_), None) => return Default::default(),
        (None, _) => roots.open(Purpose::System, &[b"audit_events.origin", event.id.as_bytes().as_slice()].concat(), sealed),
    };
    let plain: Json = opened.ok().and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default();
    let text = |name: &str| plain[name].as_str().map(str::to_owned);
    let origin = Origin {
        ip: text("ip").and_then(|ip| ip.parse().ok()),
        user_agent: text("userAgent"),
        request_id: event.request_id.clone(),
        impersonator: None,
    };
    (origin, text("reason"))
}
