//! Transactions of one owner: a page, a page far behind it, a search and a summary cost the same among a million.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystead::transactions::{self, Currency, Entry, Kind};

use super::Pace;
use super::grown::Grown;
use crate::load::get;
use crate::seed::{self, Size};
use crate::server::{self, Server, Site};
use crate::table::{Row, count};
use crate::tokens;

const PATH: &str = "/api/v1/transactions";
/// What was promised.
const TARGET: f64 = 3.0;
const CONNECTIONS: usize = 4;
/// Transactions written down in one transaction of the store.
const BATCH: usize = 5_000;
/// They lie spread over so many days.
const DAYS: usize = 3_650;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SHOPS: [&str; 8] = ["Bakery", "Station", "Market", "Online", "Pharmacy", "Cinema", "Garage", "Library"];
const CATEGORIES: [&str; 12] =
    ["Food", "Rent", "Travel", "Health", "Books", "Music", "Sports", "Gifts", "Taxes", "Salary", "Interest", "Other"];

/// How many transactions the two owners have.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// The one who is compared with.
    pub small: usize,
    /// The one with many.
    pub large: usize,
}

/// An owner whose store is served.
struct Side {
    server: Server,
    token: String,
    /// The cursor of a page in the middle, by the sort it belongs to.
    deep: Vec<(&'static str, String)>,
}

/// What is asked: its name, and the path of the n-th request to a side.
type Question = (&'static str, fn(&Side, usize) -> String);

/// The lines.
pub async fn rows(folder: &Path, length: Length, pace: Pace) -> Result<Vec<Row>> {
    let site = |name: &str| Site::sqlite(&folder.join(name)).with_cheap_passwords();
    let sides = [side(&site("transactions-small"), length.small).await?, side(&site("transactions-large"), length.large).await?];
    let questions: [Question; 9] = [
        ("First page", |_, _| PATH.to_owned()),
        ("First page by amount", |_, _| format!("{PATH}?sort=-amount")),
        ("Page in the middle", |side, _| format!("{PATH}?cursor={}", side.deep[0].1)),
        ("Page in the middle by amount", |side, _| format!("{PATH}?sort=-amount&cursor={}", side.deep[1].1)),
        ("First page of a category and a kind", |_, n| format!("{PATH}?category={}&kind=expense", CATEGORIES[n % CATEGORIES.len()])),
        ("Search for two words", |_, n| format!("{PATH}?query={}%20number", SHOPS[n % SHOPS.len()])),
        ("Summary by month, all of it", |_, _| format!("{PATH}/summary?groupBy=month")),
        ("Summary by category, ten years but for an hour at each end", |_, _| {
            format!("{PATH}/summary?groupBy=category&from=2016-01-01T01:00:00Z&to=2025-12-27T23:00:00Z")
        }),
        ("Summary by category, from the middle of a day to another", |_, n| {
            format!("{PATH}/summary?groupBy=category&from=2019-03-{:02}T12:00:00Z&to=2021-09-{:02}T12:00:00Z", n % 28 + 1, n % 28 + 1)
        }),
    ];
    let mut lines = Vec::new();
    for (name, path) in questions {
        let requests = |side: &Side| (0..64).map(|n| get(&path(side, n), &side.token)).collect();
        let asked = [&sides[0], &sides[1]].map(|side| (&side.server, requests(side)));
        let name = format!("{name}, {} transactions of one owner", count(length.large as f64));
        lines.push(Grown::measure(asked, CONNECTIONS, pace)?.row(name, length.small, TARGET));
    }
    for side in sides {
        side.server.stop()?;
    }
    Ok(lines)
}

async fn side(site: &Site, transactions: usize) -> Result<Side> {
    seed::fill(site, Size { users: 1, sessions: 1 }).await?;
    let samples = tokens::sample(site, 1).await?;
    fill(site, samples.sessions[0].user, transactions).await?;
    // The file is in the memory of the machine, as that of a server in service is.
    std::io::copy(&mut std::fs::File::open(site.database())?, &mut std::io::sink())?;
    let server = Server::start(site)?;
    let token = samples.access[0].clone();
    let deep = ["", "sort=-amount"].map(|sort| Ok((sort, middle(&server, &token, sort, transactions)?)));
    Ok(Side { deep: deep.into_iter().collect::<Result<_>>()?, server, token })
}

/// The cursor of a page in the middle, found by walking there.
fn middle(server: &Server, token: &str, sort: &str, transactions: usize) -> Result<String> {
    let mut cursor = String::new();
    // Halfway through a million would be 2,500 pages of 200: ten thousand rows in say as much, and the middle is reached by time.
    let pages = (transactions / 2).min(20_000) / 200;
    for _ in 0..pages.max(1) {
        let behind = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        let answer = server::get(server.addr, &format!("{PATH}?limit=200&{sort}{behind}"), Some(token))?;
        ensure!(answer.status() == 200, "a page answered {}: {}", answer.status(), answer.body());
        let page: serde_json::Value = serde_json::from_str(answer.body())?;
        cursor = page["nextCursor"].as_str().context("the list ended before its middle")?.to_owned();
    }
    Ok(cursor)
}

/// Writes transactions of ten years down, in an order of no meaning.
async fn fill(site: &Site, owner: uuid::Uuid, transactions: usize) -> Result<()> {
    let app = tokens::open(site).await?;
    let (euro, yen) = (currency("EUR")?, currency("JPY")?);
    let first = keystead::time::Timestamp::parse_rfc3339("2016-01-01T00:00:00Z").context("an instant")?;
    for batch in 0..transactions.div_ceil(BATCH) {
        let entries = (batch * BATCH..((batch + 1) * BATCH).min(transactions)).map(|n| {
            // A prime apart, so that neighbours in the list were not written one after the other.
            let spread = (n * 7919) % transactions;
            let at = first.plus((DAY * u32::try_from(DAYS).unwrap_or(1)).mul_f64(spread as f64 / transactions as f64));
            Entry {
                amount: i64::try_from(n % 99_991 + 1).unwrap_or(1),
                currency: if n % 10 == 0 { yen } else { euro },
                kind: if n % 4 == 0 { Kind::Income } else { Kind::Expense },
                description: format!("{} number {}", SHOPS[n % SHOPS.len()], n % 5_003),
                category: (n % 13 > 0).then(|| CATEGORIES[n % CATEGORIES.len()].to_owned()),
                occurred_at: at,
            }
        });
        transactions::write_many(&app.ground, owner, entries.collect(), app.ground.clock.now())
            .await
            .map_err(|problem| anyhow::anyhow!("{}: {:?}", problem.detail, problem.cause))?;
    }
    app.close().await;
    Ok(())
}

fn currency(code: &str) -> Result<Currency> {
    Currency::parse(code).context("a currency")
}
