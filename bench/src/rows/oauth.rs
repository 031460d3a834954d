//! What other programs ask of the provider, all the time: explain this token, whose is it, give me one.

use anyhow::{Context, Result};
use aws_lc_rs::signature::Ed25519KeyPair;
use serde_json::Value;

use super::{Pace, beside_a_bare_route, measured};
use crate::load::{self, Plan, Work};
use crate::process;
use crate::server::{Server, Site};
use crate::table::{Row, count, median};
use crate::tokens::Samples;

const INTROSPECT: &str = "/oauth2/introspect";
const USERINFO: &str = "/oauth2/userinfo";
const TOKEN: &str = "/oauth2/token";
const FORM: &str = "application/x-www-form-urlencoded";
const PEOPLE: usize = 64;
/// Connections that ask for tokens.
const CLIENTS: usize = 16;

/// The lines.
pub fn rows(site: &Site, samples: &Samples, pace: Pace) -> Result<Vec<Row>> {
    let scopes = "tokens:introspect flags:read";
    let mut arguments = vec!["clients", "create", "--json", "--name", "Bench", "--grant-types", "client_credentials"];
    scopes.split(' ').for_each(|scope| arguments.extend(["--scopes", scope]));
    let created: Value = serde_json::from_str(&site.keystead(&arguments, "")?)?;
    let text = |pointer: &str| created.pointer(pointer).and_then(Value::as_str).with_context(|| format!("{pointer} in {created}"));
    let client = format!("client_id={}&client_secret={}", text("/client/clientId")?, text("/clientSecret")?);

    let ours = Server::start(site)?;
    let asked = samples.access.iter().take(PEOPLE).map(|token| load::post_text(INTROSPECT, FORM, &format!("{client}&token={token}")));
    let introspection = beside_a_bare_route(&ours, INTROSPECT, &asked.collect::<Vec<_>>(), pace)?;
    let asked: Vec<String> = samples.openid.iter().take(PEOPLE).map(|token| load::get(USERINFO, token)).collect();
    let userinfo = beside_a_bare_route(&ours, USERINFO, &asked, pace)?;
    let issued = issued(&ours, &load::post_text(TOKEN, FORM, &format!("{client}&grant_type=client_credentials")), pace)?;
    ours.stop()?;
    Ok(vec![
        introspection.row(format!("Introspection, {PEOPLE} people's tokens"), 0.60),
        userinfo.row(format!("GET /oauth2/userinfo, {PEOPLE} people"), 0.60),
        issued,
    ])
}

/// Tokens for a client itself, against signatures of as many bytes on all cores and nothing else.
fn issued(ours: &Server, request: &str, pace: Pace) -> Result<Row> {
    let plan = Plan::flat_out(ours.addr, CLIENTS, pace.turn, Work::Repeat(vec![request.to_owned()]));
    let (mut rates, mut cpus, mut raw, mut ratios) = (vec![], vec![], vec![], vec![]);
    for round in 0..=pace.rounds {
        let theirs = signatures(pace)?;
        let (mine, cpu) = measured(ours, &plan)?;
        if round > 0 {
            rates.push(mine.rate());
            cpus.push(cpu);
            raw.push(theirs);
            ratios.push(mine.rate() / theirs);
        }
    }
    let ratio = median(ratios);
    Ok(Row {
        name: format!("Client credentials, {CLIENTS} connections"),
        ours: format!("{} tokens/s", count(median(rates))),
        baseline: format!("raw Ed25519 {} signatures/s", count(median(raw))),
        ratio: Some(ratio),
        target: "≥ 0.50".into(),
        met: ratio >= 0.5,
        cpu_ms: Some(median(cpus)),
    })
}

/// Ed25519 signatures per second of what a token's header and claims come to, on every core.
fn signatures(pace: Pace) -> Result<f64> {
    let threads = process::cores();
    let key = Ed25519KeyPair::generate().map_err(|_| anyhow::anyhow!("no key"))?;
    let message = [b'x'; 560];
    let (count, seconds) = process::on_threads(threads, pace.turn, || {
        std::hint::black_box(key.sign(&message));
    });
    Ok(count as f64 / seconds)
}
