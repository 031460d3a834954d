//! Sessions of a store, and tokens of theirs without asking the server: the installation's keys make both kinds.

use anyhow::{Context, Result};
use keystead::app::{App, Seed};
use keystead::args;
use keystead::db::Sql;
use keystead::secret::Random;
use keystead::sessions::token::RefreshToken;
use keystead::time::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use uuid::Uuid;

use crate::server::{PUBLIC_URL, Site};

const NEWER: Sql = both("SELECT id, user_id, salt, generation FROM sessions WHERE id >= $1 ORDER BY id LIMIT 1");
const FIRST: Sql = both("SELECT id FROM sessions ORDER BY id LIMIT 1");
const LAST: Sql = both("SELECT id FROM sessions ORDER BY id DESC LIMIT 1");

const fn both(text: &'static str) -> Sql {
    Sql { sqlite: text, postgres: text }
}

/// A session of the store.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The session.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// Its salt.
    pub salt: [u8; 32],
    /// Its refresh generation.
    pub generation: i64,
}

/// Sessions with both of their tokens.
#[derive(Default)]
pub struct Samples {
    /// The sessions.
    pub sessions: Vec<Sample>,
    /// An access token of each.
    pub access: Vec<String>,
    /// One that tells who the person is (OpenID Connect), of each.
    pub openid: Vec<String>,
    /// The current refresh token of each.
    pub refresh: Vec<String>,
}

/// The claims of an access token of the server (RFC 9068).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: Uuid,
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: Uuid,
    client_id: &'a str,
    sid: Uuid,
    scope: &'a str,
    roles: [&'a str; 1],
    r#gen: i64,
}

/// Opens the store of `site` without serving it.
pub async fn open(site: &Site) -> Result<App> {
    Ok(App::open(site.settings()?, Seed::system()).await?)
}

/// `count` sessions spread over the whole store, of as many different people, in an order of no meaning.
pub async fn sample(site: &Site, count: usize) -> Result<Samples> {
    let app = open(site).await?;
    let (db, random) = (&app.ground.db, Random::system());
    let now = app.ground.clock.now();
    let end = async |sql| anyhow::Ok(db.query_opt(sql, args![]).await?.context("the store is empty")?.get::<Uuid>(0)?.as_u128());
    let (first, last) = (end(FIRST).await?, end(LAST).await?);
    let mut samples = Samples::default();
    let mut people = std::collections::HashSet::new();
    while samples.sessions.len() < count {
        let place = first + u128::from_be_bytes(random.bytes()) % (last - first + 1);
        let row = db.query_opt(NEWER, args![Uuid::from_u128(place)]).await?.context("the store has no session there")?;
        let session = Sample { id: row.get(0)?, user: row.get(1)?, salt: row.get(2)?, generation: row.get(3)? };
        if people.insert(session.user) {
            samples.access.push(access_token(&app, &session, "", now)?);
            samples.openid.push(access_token(&app, &session, "openid profile email", now)?);
            samples.refresh.push(refresh_token(&app, &session));
            samples.sessions.push(session);
        }
    }
    app.close().await;
    Ok(samples)
}

fn refresh_token(app: &App, session: &Sample) -> String {
    let token = RefreshToken { session: session.id, generation: session.generation, salt: session.salt };
    token.seal(&app.ground.roots).expose_secret().to_owned()
}

fn access_token(app: &App, session: &Sample, scope: &str, now: Timestamp) -> Result<String> {
    let claims = Claims {
        iss: PUBLIC_URL,
        aud: PUBLIC_URL,
        sub: session.user,
        exp: now.as_secs() + 900,
        iat: now.as_secs(),
        nbf: now.as_secs(),
        jti: app.ground.random.uuid(now),
        client_id: "keystead",
        sid: session.id,
        scope,
        roles: ["user"],
        r#gen: session.generation,
    };
    Ok(app.ground.signer.sign("at+jwt", &claims)?)
}
