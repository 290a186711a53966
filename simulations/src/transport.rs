//! How far the world's model of links is from max-min fairness: the same transfers over both.
//!
//! In the world an uplink is shared equally among the neighbours that it sends to, whether or not
//! their downlinks keep up, and a downlink lets pass what comes in order. TCP shares as progressive
//! filling does: what one downlink cannot take, others get.

use std::time::Duration;

use nearcast_core::{
    id::{PeerKey, UploadId},
    layout::{Layout, RunIndex},
    random::Random,
    time::Timestamp,
};

use crate::{
    agenda::Agenda,
    filling::{Flows, Shares},
    world::{
        downlink::Downlink,
        uplink::{Out, Uplink, Upload},
    },
};

/// Neighbours that an uplink sends to at once.
const TOGETHER: usize = 16;
/// Bytes of a run.
const RUN_BYTES: u32 = 256 << 10;

/// Peers and what they send each other.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Uplinks, in bytes a second.
    pub up: Vec<u64>,
    /// Downlinks, in bytes a second.
    pub down: Vec<Option<u64>>,
    /// What is sent.
    pub transfers: Vec<Transfer>,
}

/// Runs that one peer sends another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who sends.
    pub from: usize,
    /// Who receives.
    pub to: usize,
    /// How many runs.
    pub runs: u32,
    /// When it begins.
    pub begins: Duration,
}

impl Traffic {
    /// A small world at random: 2 to 12 peers, uplinks of 100 kB/s to 4 MB/s, downlinks of two to ten
    /// times as much, up to three transfers a peer.
    pub fn draw(random: &mut Random) -> Traffic {
        let peers = 2 + random.below(11) as usize;
        let up: Vec<u64> = (0..peers).map(|_| 100_000 + u64::from(random.below(3_900_000))).collect();
        let down = up.iter().map(|up| Some(up * u64::from(2 + random.below(9)))).collect();
        let transfers = (0..1 + random.below(3 * peers as u32)).map(|_| {
            let from = random.below(peers as u32) as usize;
            let to = (from + 1 + random.below(peers as u32 - 1) as usize) % peers;
            let begins = Duration::from_millis(random.below(5_000).into());
            Transfer { from, to, runs: 4 + random.below(60), begins }
        });
        Traffic { transfers: transfers.collect(), up, down }
    }

    /// When each transfer is done, by the world's model, from the start. Also the bytes that each
    /// peer received.
    pub fn by_queues(&self) -> (Vec<Duration>, Vec<u64>) {
        Queues::new(self).run()
    }

    /// When each transfer is done by progressive filling, from the start. Also the bytes that each
    /// peer received.
    pub fn by_filling(&self) -> (Vec<Duration>, Vec<u64>) {
        let mut flows = Flows::new(&self.up, &self.down);
        let mut order: Vec<usize> = (0..self.transfers.len()).collect();
        order.sort_by_key(|&at| self.transfers[at].begins);
        let mut waiting = order.into_iter().peekable();
        let (mut done, mut keys) = (vec![Duration::ZERO; self.transfers.len()], Vec::new());
        loop {
            let begins = waiting.peek().map(|&at| Timestamp::ZERO + self.transfers[at].begins);
            let ends = flows.next_done();
            let Some(now) = begins.into_iter().chain(ends).min() else { break };
            for ended in flows.take_done(now) {
                if let Some(&(_, at)) = keys.iter().find(|&&(key, _)| key == ended.flow) {
                    done[at] = now.since(Timestamp::ZERO);
                }
            }
            while let Some(at) = waiting.next_if(|&at| Timestamp::ZERO + self.transfers[at].begins <= now) {
                let Transfer { from, to, runs, .. } = self.transfers[at];
                let bytes = u64::from(runs) * u64::from(RUN_BYTES);
                // A small world has far fewer flows than there may be.
                keys.extend(flows.start(now, from, to, bytes, None).ok().map(|key| (key, at)));
            }
        }
        flows.check();
        (done, (0..self.up.len()).map(|peer| flows.received(peer)).collect())
    }

    /// When each transfer is done by max-min fair rates that are solved at most every `pause`, as a
    /// world has them, from the start.
    pub fn by_shares(&self, pause: Duration) -> Vec<Duration> {
        let peers = self.up.len();
        let up = self.up.iter().map(|&rate| Some(rate));
        let mut shares = Shares::new(up.chain(self.down.iter().copied()), pause);
        let mut order: Vec<usize> = (0..self.transfers.len()).collect();
        order.sort_by_key(|&at| self.transfers[at].begins);
        let mut waiting = order.into_iter().peekable();
        let mut done = vec![Duration::ZERO; self.transfers.len()];
        loop {
            let begins = waiting.peek().map(|&at| Timestamp::ZERO + self.transfers[at].begins);
            let Some(now) = begins.into_iter().chain(shares.next_at()).min() else { break };
            for (_, at) in shares.take_done(now) {
                done[at as usize] = now.since(Timestamp::ZERO);
            }
            while let Some(at) = waiting.next_if(|&at| Timestamp::ZERO + self.transfers[at].begins <= now) {
                let Transfer { from, to, runs, .. } = self.transfers[at];
                // A transfer is a receiver of its own, as a flow of its own.
                shares.start(now, (from as u32, at as u32), runs * RUN_BYTES, &[from, peers + to]);
            }
            shares.settle(now);
        }
        done
    }
}

/// The world's model, without engines.
struct Queues<'a> {
    traffic: &'a Traffic,
    uplinks: Vec<Uplink>,
    downlinks: Vec<Downlink>,
    agenda: Agenda<Happening>,
    /// Which run it is makes no difference to links.
    run: RunIndex,
    left: Vec<u32>,
    done: Vec<Duration>,
    received: Vec<u64>,
}

enum Happening {
    Begins(usize),
    Sent { peer: usize, plan: u32 },
    Arrived { transfer: usize },
}

impl Queues<'_> {
    fn new(traffic: &Traffic) -> Queues<'_> {
        let mut agenda = Agenda::new();
        for (at, transfer) in traffic.transfers.iter().enumerate() {
            agenda.push(Timestamp::ZERO + transfer.begins, Happening::Begins(at));
        }
        let layout = Layout::new(RUN_BYTES.into(), [RUN_BYTES.into()]);
        let run = layout.ok().and_then(|layout| layout.run_index(0)).expect("a content of one run has one");
        Queues {
            run,
            uplinks: traffic
                .up
                .iter()
                .map(|&rate| Uplink::new(rate, (TOGETHER as u16, TOGETHER as u16)))
                .collect(),
            downlinks: traffic.down.iter().map(|&rate| Downlink::new(rate)).collect(),
            left: traffic.transfers.iter().map(|transfer| transfer.runs).collect(),
            done: vec![Duration::ZERO; traffic.transfers.len()],
            received: vec![0; traffic.up.len()],
            agenda,
            traffic,
        }
    }

    fn run(mut self) -> (Vec<Duration>, Vec<u64>) {
        while let Some((now, happening)) = self.agenda.pop() {
            match happening {
                Happening::Begins(at) => self.begin(now, at),
                Happening::Sent { peer, plan } => self.sent(now, peer, plan),
                Happening::Arrived { transfer } => self.arrived(now, transfer),
            }
        }
        (self.done, self.received)
    }

    fn begin(&mut self, now: Timestamp, at: usize) {
        let Transfer { from, runs, .. } = self.traffic.transfers[at];
        for _ in 0..runs {
            // A transfer is a neighbour of its own, as a flow of its own.
            let (to, upload) = (PeerKey(at as u32), UploadId(at as u32));
            self.uplinks[from].push(now, Upload { to, upload, run: self.run, bytes: RUN_BYTES });
        }
        self.plan(from);
    }

    fn plan(&mut self, peer: usize) {
        if let Some(at) = self.uplinks[peer].next_done()
            && let Some(plan) = self.uplinks[peer].plan(at)
        {
            self.agenda.push(at, Happening::Sent { peer, plan });
        }
    }

    fn sent(&mut self, now: Timestamp, peer: usize, plan: u32) {
        if !self.uplinks[peer].is_planned(plan) {
            return;
        }
        for Out { upload, begun } in self.uplinks[peer].take_done(now) {
            let transfer = upload.to.0 as usize;
            let to = self.traffic.transfers[transfer].to;
            let at = self.downlinks[to].pass(begun, now, upload.bytes);
            self.agenda.push(at, Happening::Arrived { transfer });
        }
        self.plan(peer);
    }

    fn arrived(&mut self, now: Timestamp, transfer: usize) {
        self.received[self.traffic.transfers[transfer].to] += u64::from(RUN_BYTES);
        self.left[transfer] -= 1;
        if self.left[transfer] == 0 {
            self.done[transfer] = now.since(Timestamp::ZERO);
        }
    }
}

/// How far one world is from the other: of each transfer, how much later it is done by queues, in
/// parts of the time that filling takes; and whether all bytes arrived in both.
pub fn difference(traffic: &Traffic) -> (Vec<f64>, bool) {
    let ((queued, received), (filled, also)) = (traffic.by_queues(), traffic.by_filling());
    let begins = traffic.transfers.iter().map(|transfer| transfer.begins);
    let took = |at: Duration, begins: Duration| at.saturating_sub(begins).as_secs_f64();
    let later = queued
        .iter()
        .zip(&filled)
        .zip(begins)
        .map(|((&queued, &filled), begins)| took(queued, begins) / took(filled, begins).max(1e-9) - 1.0);
    let mut sent = vec![0; traffic.up.len()];
    for transfer in &traffic.transfers {
        sent[transfer.to] += u64::from(transfer.runs) * u64::from(RUN_BYTES);
    }
    (later.collect(), received == sent && also == sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uplinks_alone_are_shared_as_by_filling_but_for_the_last_run() {
        let transfer = |from, to, runs| Transfer { from, to, runs, begins: Duration::ZERO };
        let traffic = Traffic {
            up: vec![1 << 20, 1 << 20, 1 << 20],
            down: vec![None; 3],
            transfers: vec![transfer(0, 1, 20), transfer(0, 2, 40), transfer(1, 2, 10)],
        };
        let (later, exact) = difference(&traffic);
        assert!(exact);
        assert!(later.iter().all(|later| later.abs() < 0.01), "{later:?}");
    }

    #[test]
    fn a_worlds_max_min_rates_are_those_of_the_reference_and_close_if_solved_seldom() {
        let mut random = Random::new(5);
        let (mut sum, mut count) = (0.0, 0);
        for _ in 0..50 {
            let traffic = Traffic::draw(&mut random);
            let (reference, _) = traffic.by_filling();
            let at_once = traffic.by_shares(Duration::ZERO);
            let seldom = traffic.by_shares(Duration::from_millis(10));
            for ((at, exact), transfer) in reference.iter().enumerate().zip(&traffic.transfers) {
                let took = |at: Duration| (at - transfer.begins).as_secs_f64();
                let difference = |other: Duration| (took(other) / took(*exact) - 1.0).abs();
                assert!(difference(at_once[at]) < 1e-6, "{:?} and {exact:?}", at_once[at]);
                sum += difference(seldom[at]);
                count += 1;
            }
        }
        println!("solved every 10 ms: mean difference {:.5} of {count} transfers", sum / f64::from(count));
        assert!(sum / f64::from(count) < 0.01);
    }

    #[test]
    fn small_worlds_are_close_to_filling_on_average() {
        let mut random = Random::new(3);
        let (mut sum, mut count) = (0.0, 0);
        for _ in 0..50 {
            let (later, exact) = difference(&Traffic::draw(&mut random));
            assert!(exact, "every byte arrives");
            count += later.len();
            sum += later.iter().map(|later| later.abs()).sum::<f64>();
        }
        println!("mean difference {:.4} of {count} transfers", sum / f64::from(count as u32));
        assert!(sum / f64::from(count as u32) <= 0.05);
    }
}
