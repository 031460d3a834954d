//! The child: carries out a plan.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::LocalSet;

use super::client::Client;
use super::{Outcome, Plan, Work, post};

/// Reads the plan from standard input, carries it out on one thread, and prints what came of it.
pub fn run() -> Result<()> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    let plan: Plan = serde_json::from_slice(&text)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(LocalSet::new().run_until(carry_out(plan)))?;
    std::io::stdout().write_all(&serde_json::to_vec(&outcome)?)?;
    Ok(())
}

/// What all connections share; everything is on one thread.
struct Shared {
    plan: Plan,
    next: Cell<usize>,
    begun: Instant,
    took: RefCell<Vec<Duration>>,
    failed: Cell<u32>,
    first_failure: RefCell<Option<String>>,
    tokens: RefCell<Vec<String>>,
}

async fn carry_out(mut plan: Plan) -> Result<Outcome> {
    let tokens = if let Work::Refresh(tokens) = &mut plan.work { std::mem::take(tokens) } else { Vec::new() };
    let mut clients = Vec::new();
    for _ in 0..plan.connections {
        clients.push(Client::connect(plan.addr).await?);
    }
    let shared = Rc::new(Shared {
        plan,
        next: Cell::new(0),
        begun: Instant::now(),
        took: RefCell::default(),
        failed: Cell::new(0),
        first_failure: RefCell::default(),
        tokens: RefCell::new(tokens),
    });
    let workers: Vec<_> = clients.into_iter().map(|client| tokio::task::spawn_local(work(shared.clone(), client))).collect();
    for worker in workers {
        worker.await??;
    }
    let seconds = shared.begun.elapsed().as_secs_f64();
    let mut took = shared.took.take();
    took.sort_unstable();
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let at = |share: f64| took.get(((took.len() as f64) * share) as usize).copied().map_or(0.0, millis);
    Ok(Outcome {
        answered: u32::try_from(took.len())?,
        failed: shared.failed.get(),
        first_failure: shared.first_failure.take(),
        seconds,
        mean_ms: took.iter().copied().map(millis).sum::<f64>() / (took.len().max(1) as f64),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        tokens: shared.tokens.take(),
    })
}

async fn work(shared: Rc<Shared>, mut client: Client) -> Result<()> {
    while let Some(turn) = shared.turn() {
        let due = shared.due(turn);
        if let Some(due) = due {
            tokio::time::sleep_until(due.into()).await;
        }
        match &shared.plan.work {
            Work::Repeat(requests) | Work::Once(requests) => {
                let started = Instant::now();
                let (status, body) = client.send(requests[turn % requests.len()].as_bytes()).await?;
                shared.note(status, body, started);
            }
            Work::Refresh(_) => {
                let place = turn % shared.tokens.borrow().len();
                let token = std::mem::take(&mut shared.tokens.borrow_mut()[place]);
                if token.is_empty() {
                    // Still under way on another connection: more connections than tokens.
                    tokio::task::yield_now().await;
                    continue;
                }
                let request = post("/api/v1/auth/refresh", &format!("{{\"refreshToken\":\"{token}\"}}"));
                let started = Instant::now();
                let (status, body) = client.send(request.as_bytes()).await?;
                shared.note(status, body, started);
                shared.tokens.borrow_mut()[place] = successor(body).unwrap_or(&token).to_owned();
            }
        }
    }
    Ok(())
}

impl Shared {
    /// The number of the next request; `None` when it is over.
    fn turn(&self) -> Option<usize> {
        let turn = self.next.get();
        let over = match &self.plan.work {
            Work::Once(requests) => turn >= requests.len(),
            _ => self.begun.elapsed().as_secs_f64() >= self.plan.seconds,
        };
        self.next.set(turn + 1);
        (!over).then_some(turn)
    }

    /// When request number `turn` is to be sent.
    fn due(&self, turn: usize) -> Option<Instant> {
        self.plan.pace.map(|pace| self.begun + Duration::from_secs_f64(turn as f64 / pace))
    }

    fn note(&self, status: u16, body: &[u8], started: Instant) {
        if status == 200 {
            return self.took.borrow_mut().push(started.elapsed());
        }
        self.failed.set(self.failed.get() + 1);
        let failure = || format!("{status} {}", String::from_utf8_lossy(body));
        self.first_failure.borrow_mut().get_or_insert_with(failure);
    }
}

/// The refresh token of a sign-in answer.
fn successor(body: &[u8]) -> Option<&str> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, rest) = body.split_once("\"refreshToken\":\"")?;
    rest.split_once('"').map(|(token, _)| token)
}
