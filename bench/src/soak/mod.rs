//! The soak: people talk for a while on two instances, one of which is killed and replaced in the middle, and nothing that was
//! accepted is lost.
//!
//! Two real processes stand on a PostgreSQL and a Redis of their own ([`cluster`]). Each person has a voice session: somebody posts
//! what is said there, through either instance ([`talk`]); somebody hears it as server-sent events ([`stream`]); somebody over two
//! WebSockets, which show who is there, too ([`socket`]). [`verdict`] compares what was accepted with what was heard and is read back.

mod cluster;
mod redis;
mod socket;
mod stream;
mod talk;
mod verdict;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::cluster::Cluster;
use self::socket::Socket;
use self::stream::Stream;
use self::talk::Talk;
use self::verdict::Verdict;

/// Talk for a while on two instances, kill one, and see that nothing is lost
#[derive(Args, Clone, Debug)]
pub struct Plan {
    /// How long they talk
    #[arg(long, default_value_t = 15.0, conflicts_with = "seconds")]
    minutes: f64,

    /// The same in seconds
    #[arg(long)]
    seconds: Option<f64>,

    /// How many talk at once
    #[arg(long, default_value_t = 20)]
    sessions: usize,

    /// Take one accepted segment away behind everybody's back: the soak has to notice
    #[arg(long, hide = true)]
    lose: bool,
}

/// For everything that has to happen after the talking: generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

impl Plan {
    fn during(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(self.minutes * 60.0))
    }
}

/// Carries out `plan` and prints what was found; fails when anything is not as it must be.
pub fn run(plan: &Plan) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let verdict = runtime.block_on(soak(plan))?;
    ensure!(verdict.faults.is_empty(), "the soak failed:\n  {}", verdict.faults.join("\n  "));
    Ok(())
}

async fn soak(plan: &Plan) -> Result<Verdict> {
    let during = plan.during();
    let cluster = Arc::new(Cluster::start(during)?);
    say(format!("soak: {} voice sessions for {during:?} on two instances, on {}", plan.sessions, cluster.version()));
    let mut talks = Vec::new();
    for number in 0..plan.sessions {
        talks.push(Arc::new(Talk::open(&cluster, number).await.with_context(|| format!("voice session {number}"))?));
    }
    let mut tasks = JoinSet::new();
    let streams: Vec<_> = talks.iter().enumerate().map(|(number, talk)| Stream::listen(&mut tasks, &cluster, talk, number % 2)).collect();
    let sockets: Vec<Arc<Socket>> =
        talks.iter().flat_map(|talk| [0, 1].map(|instance| Socket::open(&mut tasks, &cluster, talk, instance))).collect();
    everybody_here(&sockets).await.context("before anything happened")?;

    let posting: Vec<_> = talks.iter().map(|talk| tokio::spawn(talk::say(cluster.clone(), talk.clone(), during))).collect();
    let watching = tokio::spawn(cluster::watch(cluster.clone(), during));
    sleep(during / 2).await;
    let there: Vec<_> = sockets.iter().filter(|socket| socket.instance() == 1).map(|socket| (socket, socket.heard().lines)).collect();
    let killed = cluster.kill(1).await?;
    say(format!("soak: killed instance 2 (process {killed}, {} sockets) with {} segments accepted", there.len(), accepted(&talks)));
    let began = Instant::now();
    // Whoever was connected there comes to the other instance.
    while there.iter().any(|(socket, lines)| socket.heard().lines == *lines) && began.elapsed() < PATIENCE {
        sleep(Duration::from_millis(20)).await;
    }
    everybody_here(&sockets).await.context("after an instance was killed")?;
    say(format!("soak: everybody is seen by everybody again, {:.1} s later", began.elapsed().as_secs_f64()));
    cluster.replace(1).await?;
    let mut verdict = Verdict::default();
    for task in posting {
        if let Err(error) = task.await? {
            verdict.faults.push(format!("{error:#}"));
        }
    }
    if plan.lose {
        cluster.lose_one().await?;
    }
    everybody_here(&sockets).await.context("at the end")?;
    all_heard(&talks, &streams, &sockets).await;
    let memory = watching.await?;
    tasks.abort_all();

    for (number, talk) in talks.iter().enumerate() {
        verdict.transcript(&cluster, talk).await?;
        verdict.stream(talk, &streams[number]);
        sockets[number * 2..number * 2 + 2].iter().for_each(|socket| verdict.socket(talk, socket));
    }
    verdict.memory(&memory);
    verdict.print();
    Ok(verdict)
}

/// One line for whoever waits.
fn say(line: String) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn accepted(talks: &[Arc<Talk>]) -> usize {
    talks.iter().map(|talk| talk.accepted().len()).sum()
}

/// Waits until every socket shows every socket in the room, and nobody who is gone.
async fn everybody_here(sockets: &[Arc<Socket>]) -> Result<()> {
    let began = Instant::now();
    loop {
        let here: Option<BTreeSet<String>> = sockets.iter().map(|socket| socket.id()).collect();
        let wrong = sockets.iter().filter(|socket| here.as_ref() != Some(&socket.room())).count();
        if wrong == 0 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let shown: BTreeSet<usize> = sockets.iter().map(|socket| socket.room().len()).collect();
            let connected = sockets.iter().filter(|socket| socket.id().is_some()).count();
            anyhow::bail!(
                "waited {PATIENCE:?} in vain: {wrong} of {} sockets do not show who is there; {connected} are connected, they show {shown:?}",
                sockets.len()
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Gives listeners the time to hear the last words.
async fn all_heard(talks: &[Arc<Talk>], streams: &[Arc<Stream>], sockets: &[Arc<Socket>]) {
    let began = Instant::now();
    let done = || {
        let of = |number: usize| talks[number].accepted().len();
        let by_stream = streams.iter().enumerate().all(|(number, stream)| stream.heard().finals.len() >= of(number));
        by_stream && sockets.iter().enumerate().all(|(number, socket)| socket.heard().finals.len() >= of(number / 2))
    };
    while !done() && began.elapsed() < PATIENCE {
        sleep(Duration::from_millis(100)).await;
    }
}
