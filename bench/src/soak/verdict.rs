//! What was accepted against what was heard and is read back; and whether memory stayed flat.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cluster::{Cluster, Samples};
use super::socket::Socket;
use super::stream::{Heard, Stream};
use super::talk::Talk;

/// An instance that has warmed up may grow by so much until the end: caches fill up, and the allocator keeps what was used once.
const GROWTH: u64 = 24 * 1024 * 1024;

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What must not be.
    pub faults: Vec<String>,
    accepted: usize,
    reconnects: usize,
    gaps: usize,
    memory: Vec<String>,
}

/// The segments of a transcript, as instance `which` reads them.
pub async fn read_back(cluster: &Cluster, talk: &Talk, which: usize) -> Result<Vec<Value>> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{}?limit=200{cursor}", talk.path());
        let (status, answer) = cluster.ask(which, "GET", &path, &talk.token, None).await.context("no answer")?;
        ensure!(status == 200, "{status} {answer}");
        all.extend(answer["items"].as_array().context("a page without items")?.iter().cloned());
        match answer["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}

/// Where `found` is not what was `accepted`, in words. What was said last may have been stored without an answer.
fn differences(accepted: &BTreeMap<i64, String>, found: &BTreeMap<i64, String>) -> Vec<String> {
    let lost =
        accepted.iter().filter(|(seq, _)| !found.contains_key(seq)).map(|(seq, _)| format!("segment {seq} was accepted and is lost"));
    let other = accepted.iter().filter(|(seq, text)| found.get(seq).is_some_and(|found| found != *text));
    lost.chain(other.map(|(seq, _)| format!("segment {seq} is not what was accepted"))).collect()
}

impl Verdict {
    /// Every accepted segment is read back exactly once from both instances, in order.
    ///
    /// # Errors
    /// An instance does not answer.
    pub async fn transcript(&mut self, cluster: &Cluster, talk: &Talk) -> Result<()> {
        let accepted = talk.accepted();
        self.accepted += accepted.len();
        for which in [0, 1] {
            let segments = read_back(cluster, talk, which).await?;
            let numbers: Vec<i64> = segments.iter().filter_map(|segment| segment["seq"].as_i64()).collect();
            if !numbers.is_sorted_by(|one, next| one < next) {
                self.fault(talk, "the transcript", "segments are out of order, or there twice");
            }
            let finals = segments.iter().filter(|segment| segment["final"] == true);
            let text = |segment: &Value| segment["text"].as_str().unwrap_or_default().to_owned();
            let found = finals.filter_map(|segment| Some((segment["seq"].as_i64()?, text(segment)))).collect();
            self.compare(talk, "the transcript", &accepted, &found);
        }
        Ok(())
    }

    /// Every accepted segment was told exactly once, in order, across all lines.
    pub fn stream(&mut self, talk: &Talk, stream: &Stream) {
        self.heard(talk, "the stream", &stream.heard());
    }

    /// The same for a socket, with what it had to read after a gap.
    pub fn socket(&mut self, talk: &Talk, socket: &Socket) {
        self.gaps += socket.gaps();
        self.heard(talk, "a socket", &socket.heard());
    }

    fn heard(&mut self, talk: &Talk, who: &str, heard: &Heard) {
        self.reconnects += heard.lines;
        heard.faults.iter().for_each(|fault| self.fault(talk, who, fault));
        self.compare(talk, who, &talk.accepted(), &heard.finals);
    }

    fn compare(&mut self, talk: &Talk, who: &str, accepted: &BTreeMap<i64, String>, found: &BTreeMap<i64, String>) {
        let differences = differences(accepted, found);
        if let Some(first) = differences.first() {
            self.fault(talk, who, &format!("{first} ({} such)", differences.len()));
        }
    }

    fn fault(&mut self, talk: &Talk, who: &str, what: &str) {
        self.faults.push(format!("talk {} ({}), {who}: {what}", talk.number, talk.id));
    }

    /// Memory that goes on growing once an instance has warmed up.
    pub fn memory(&mut self, all: &[Samples]) {
        for samples in all {
            let Some((early, late)) = halves(samples) else { continue };
            let (seconds, mib) = (samples.last().map_or(0.0, |(at, _)| *at), |bytes: u64| bytes as f64 / 1048576.0);
            self.memory.push(format!("{:.1} → {:.1} MiB in {seconds:.0} s", mib(early), mib(late)));
            if late > early + GROWTH {
                self.faults.push(format!("memory grows: {:.1} MiB after warming up, {:.1} MiB at the end", mib(early), mib(late)));
            }
        }
    }

    /// Says it all.
    pub fn print(&self) {
        super::say(format!(
            "soak: {} segments accepted; {} lines lost and taken up again, {} gaps of sockets read from the store",
            self.accepted, self.reconnects, self.gaps
        ));
        super::say(format!("soak: memory after warming up → at the end: {}", self.memory.join("; ")));
        if self.faults.is_empty() {
            super::say("soak: nothing was lost".to_owned());
        }
    }
}

/// The medians of the second and of the last quarter; `None` when it was not there for long enough to say.
fn halves(samples: &Samples) -> Option<(u64, u64)> {
    let quarter = samples.len() / 4;
    let median = |part: &[(f64, u64)]| {
        let mut sizes: Vec<u64> = part.iter().map(|(_, size)| *size).collect();
        sizes.sort_unstable();
        sizes[sizes.len() / 2]
    };
    (quarter >= 2).then(|| (median(&samples[quarter..quarter * 2]), median(&samples[samples.len() - quarter..])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(numbers: &[i64]) -> BTreeMap<i64, String> {
        numbers.iter().map(|seq| (*seq, format!("{seq}"))).collect()
    }

    fn told(changes: &[(i64, i64, bool)]) -> Heard {
        let mut heard = Heard::default();
        for (seq, position, last) in changes {
            heard.segment(&json!({"seq": seq, "position": position, "final": last, "text": format!("{seq}")}));
        }
        heard
    }

    #[test]
    fn what_is_lost_or_altered_is_found() {
        assert_eq!(differences(&said(&[0, 1]), &said(&[0, 1, 2])), Vec::<String>::new());
        assert_eq!(differences(&said(&[0, 1, 2]), &said(&[0, 2])), ["segment 1 was accepted and is lost"]);
        let altered = BTreeMap::from([(0, "another".to_owned())]);
        assert_eq!(differences(&said(&[0]), &altered), ["segment 0 is not what was accepted"]);
    }

    #[test]
    fn what_is_told_twice_or_out_of_order_is_found() {
        let good = told(&[(0, 1, false), (0, 2, true), (1, 3, false), (1, 5, true)]);
        assert!(good.faults.is_empty() && good.finals == said(&[0, 1]), "{good:?}");
        for wrong in [
            &[(0, 1, true), (0, 1, true)][..],
            &[(0, 2, true), (1, 1, true)],
            &[(0, 1, true), (0, 2, false)],
            &[(1, 1, true), (0, 2, true)],
        ] {
            assert!(!told(wrong).faults.is_empty(), "{wrong:?}");
        }
    }

    #[test]
    fn memory_that_goes_on_growing_is_found() {
        let samples = |step: u64| (0..40).map(|at| (at as f64, 100_000_000 + at * step)).collect::<Samples>();
        let mut verdict = Verdict::default();
        verdict.memory(&[samples(0), samples(10_000), vec![(0.0, 1)]]);
        assert!(verdict.faults.is_empty(), "{verdict:?}");
        verdict.memory(&[samples(2_000_000)]);
        assert_eq!(verdict.faults.len(), 1);
    }
}
