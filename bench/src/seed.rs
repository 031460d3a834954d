//! Fills a store with people and sessions that really work: sealed under keys that open them, found by their
//! address, refreshable, with a password that is right. Through the library of the server, so that nothing here
//! knows a column; seeded, so that two runs differ in their keys alone.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::StreamExt;
use keystead::accounts::{self, Email, NewUser, Status};
use keystead::app::App;
use keystead::db::DbError;
use keystead::http::context::Origin;
use keystead::secret::PersonKey;
use keystead::sessions::{self, NewSession};
use keystead::time::Timestamp;
use secrecy::SecretString;

use crate::server::Site;
use crate::tokens;

/// Everybody's password.
pub const PASSWORD: &str = "correct Horse 9 battery staple";

/// People in one transaction. A person's sessions are written in rounds over all people of a batch, so that they
/// lie apart in the file, as sessions of different days do.
const BATCH: usize = 20_000;
/// Keys that are being stored at the same time; each waits for its commit.
const KEYS_AT_ONCE: usize = 1024;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// People.
    pub users: usize,
    /// Sessions, spread evenly over them.
    pub sessions: usize,
}

/// The address of person number `number`.
pub fn email(number: usize) -> String {
    format!("person-{number}@example.com")
}

/// Fills the store of `site`.
pub async fn fill(site: &Site, size: Size) -> Result<()> {
    ensure!(size.users > 0, "a store needs people");
    let app = tokens::open(site).await?;
    let started = Instant::now();
    let hash = app.ground.password_pool.hash(SecretString::from(PASSWORD)).await?;
    let order = order(&app, size.users)?;
    for (index, batch) in order.chunks(BATCH).enumerate() {
        let done = index * BATCH;
        let people = make_people(&app, batch, &hash, done, size).await?;
        let sessions = make_sessions(&app, &people, done, size);
        write(&app, people.into_iter().map(|(user, _)| user).collect(), sessions).await?;
        if size.users > BATCH {
            let _ = writeln!(
                std::io::stderr(),
                "seeded {} of {} people after {:.0} s",
                done + batch.len(),
                size.users,
                started.elapsed().as_secs_f64()
            );
        }
    }
    app.close().await;
    Ok(())
}

/// All addresses in the order of their blind index. People sign up in this order, which nothing else depends on,
/// so that the index grows at its end: in any other order most of the time would go into moving its pages.
fn order(app: &App, users: usize) -> Result<Vec<(Email, [u8; 32])>> {
    let mut all = Vec::with_capacity(users);
    for number in 0..users {
        let email = Email::parse(&email(number))?;
        let index = app.ground.keyring.blind_index("email", email.as_str());
        all.push((email, index));
    }
    all.sort_unstable_by_key(|(_, index)| *index);
    Ok(all)
}

/// An instant between `oldest` and `newest` days ago, `share` of the way.
fn days_ago(now: Timestamp, oldest: u32, newest: u32, share: f64) -> Timestamp {
    now.minus((DAY * newest) + (DAY * (oldest - newest)).mul_f64(1.0 - share))
}

async fn make_people(app: &App, batch: &[(Email, [u8; 32])], hash: &str, done: usize, size: Size) -> Result<Vec<(NewUser, PersonKey)>> {
    let now = app.ground.clock.now();
    let making = batch.iter().enumerate().map(|(index, (email, email_index))| {
        let created_at = days_ago(now, 400, 10, ((done + index) as f64) / (size.users as f64));
        let id = app.ground.random.uuid(created_at);
        async move {
            let key = app.ground.keyring.create(id).await?;
            let mut new = NewUser {
                id,
                email_index: *email_index,
                email: Vec::new(),
                name: Vec::new(),
                job_role: None,
                status: Status::Active,
                roles: vec!["user".to_owned()],
                email_verified_at: Some(created_at),
                password_hash: Some(hash.to_owned()),
                created_at,
                established_at: Some(created_at),
            };
            accounts::seal_new(&mut new, &key, email, "Ada Lovelace", Some("Analyst"));
            anyhow::Ok((new, key))
        }
    });
    futures_util::stream::iter(making).buffered(KEYS_AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}

fn make_sessions(app: &App, people: &[(NewUser, PersonKey)], done: usize, size: Size) -> Vec<NewSession> {
    let now = app.ground.clock.now();
    let origin = Origin {
        ip: Some(std::net::IpAddr::from([192, 0, 2, 1])),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
        request_id: None,
        impersonator: None,
    };
    let rounds = size.sessions.div_ceil(size.users);
    let mut all = Vec::with_capacity(people.len() * rounds);
    for round in 0..rounds {
        for (index, (user, key)) in people.iter().enumerate() {
            let number = round * size.users + done + index;
            if number < size.sessions {
                let at = days_ago(now, 6, 0, number as f64 / size.sessions as f64);
                all.push(app.sessions.prepare(user.id, key, &origin, at));
            }
        }
    }
    all
}

async fn write(app: &App, people: Vec<NewUser>, all: Vec<NewSession>) -> Result<()> {
    app.ground
        .db
        .write(async move |tx| {
            for new in &people {
                if !accounts::store::insert(tx, new).await? {
                    return Err(DbError::Other("the store is not empty: an address is taken".to_owned()));
                }
            }
            for new in &all {
                sessions::start(tx, new).await?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}
