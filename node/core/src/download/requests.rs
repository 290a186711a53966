//! Our requests in flight.
//!
//! Invariant: a run is in at most one request, and `busy` holds exactly the runs in requests.

use crate::{
    content::{layout::RunIndex, run_set::RunSet},
    id::{PeerKey, RequestId},
    time::Timestamp,
};

/// One request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) peer: PeerKey,
    pub(crate) run: RunIndex,
    /// When it was sent, in milliseconds of the core's clock, wrapped: ages are short. The lowest
    /// bits, [`COMING`], are the number of ticks for which its run still counts as coming.
    sent: u32,
}

/// A request takes no more memory for these bits. They leave 24 for times, which wrap after four
/// hours.
const COMING_BITS: u32 = 8;
const COMING: u32 = u8::MAX as u32;

impl Request {
    /// Seconds since it was sent.
    pub(crate) fn age(&self, now: Timestamp) -> f32 {
        let passed = stamp(now).wrapping_sub(self.sent & !COMING) >> COMING_BITS;
        passed as f32 / 1e3
    }

    /// Whether its run has begun to arrive, not too long ago.
    pub(crate) fn is_coming(&self) -> bool {
        self.sent & COMING > 0
    }
}

/// A moment in milliseconds, above the bits that count ticks.
fn stamp(at: Timestamp) -> u32 {
    crate::saturate::low_half(at.as_nanos() / 1_000_000) << COMING_BITS
}

/// All requests in flight for one content, oldest first.
#[derive(Debug)]
pub(crate) struct Requests {
    list: Vec<Request>,
    busy: RunSet,
    next: u32,
}

impl Requests {
    /// `first` is the number of the first one.
    pub(crate) fn new(runs: u32, first: u32) -> Requests {
        Requests { list: Vec::new(), busy: RunSet::empty(runs), next: first }
    }

    /// The number the next one gets.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }

    /// Runs on their way.
    pub(crate) fn busy(&self) -> &RunSet {
        &self.busy
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Request> {
        self.list.iter()
    }

    /// Notes a request about to be sent.
    pub(crate) fn open(&mut self, now: Timestamp, peer: PeerKey, run: RunIndex) -> RequestId {
        let fresh = self.busy.insert(run);
        debug_assert!(fresh, "a run is requested once at a time");
        let id = RequestId(self.next);
        self.next = self.next.wrapping_add(1);
        if self.list.len() == self.list.capacity() {
            self.list.reserve_exact(8.max(self.list.len() / 2));
        }
        self.list.push(Request { id, peer, run, sent: stamp(now) });
        id
    }

    /// The run of a request has begun to arrive: it counts as coming for so many ticks.
    pub(crate) fn begin(&mut self, peer: PeerKey, id: RequestId, ticks: u8) {
        let named = |request: &&mut Request| request.id == id && request.peer == peer;
        if let Some(request) = self.list.iter_mut().find(named) {
            request.sent = request.sent & !COMING | u32::from(ticks);
        }
    }

    /// A tick has passed.
    pub(crate) fn pass_tick(&mut self) {
        for request in self.list.iter_mut().filter(|request| request.is_coming()) {
            request.sent = request.sent.wrapping_sub(1);
        }
    }

    /// Takes out the request of this number to this peer; none if it is stale.
    pub(crate) fn close(&mut self, peer: PeerKey, id: RequestId) -> Option<Request> {
        let at = self.list.iter().position(|request| request.id == id && request.peer == peer)?;
        Some(self.remove(at))
    }

    /// Takes out the request for this run, whoever was asked.
    pub(crate) fn close_run(&mut self, run: RunIndex) -> Option<Request> {
        if !self.busy.contains(run) {
            return None;
        }
        let at = self.list.iter().position(|request| request.run == run)?;
        Some(self.remove(at))
    }

    /// An origin answered the request for `asked` with `came`, which another request to it names: that
    /// one stays open in its place, for `asked`. True if there was one.
    pub(crate) fn relabel(&mut self, peer: PeerKey, came: RunIndex, asked: RunIndex) -> bool {
        let named = |request: &&mut Request| request.run == came && request.peer == peer;
        if self.busy.contains(asked) {
            return false;
        }
        let Some(request) = self.list.iter_mut().find(named) else { return false };
        request.run = asked;
        self.busy.remove(came);
        self.busy.insert(asked);
        true
    }

    /// Takes out all requests to a peer.
    pub(crate) fn close_peer(&mut self, peer: PeerKey) -> u32 {
        let busy = &mut self.busy;
        let before = self.list.len();
        self.list.retain(|request| {
            let other = request.peer != peer;
            if !other {
                busy.remove(request.run);
            }
            other
        });
        crate::saturate::to_u32(before.saturating_sub(self.list.len()))
    }

    fn remove(&mut self, at: usize) -> Request {
        let request = self.list.remove(at);
        self.busy.remove(request.run);
        request
    }

    /// Asserts the invariant of this list.
    ///
    /// # Panics
    /// If it does not hold.
    pub(crate) fn check(&self) {
        let mut busy = RunSet::empty(self.busy.runs());
        for request in &self.list {
            assert!(busy.insert(request.run), "{request:?} is the only one for its run");
        }
        assert_eq!(self.busy, busy, "runs that are busy are those of requests");
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let list = self.list.capacity().saturating_mul(size_of::<Request>());
        list.saturating_add(size_of_val(self.busy.words()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_answer_finds_no_request() {
        let mut requests = Requests::new(4, 0);
        let id = requests.open(Timestamp::ZERO, PeerKey(1), RunIndex::new(2));
        assert_eq!(requests.close(PeerKey(2), id), None, "another peer's answer");
        assert!(requests.close(PeerKey(1), id).is_some());
        assert_eq!(requests.close(PeerKey(1), id), None, "a second answer");
        assert!(requests.busy().is_empty());
    }

    #[test]
    fn an_answer_in_place_of_another_swaps_their_requests() {
        let mut requests = Requests::new(4, 0);
        let first = requests.open(Timestamp::ZERO, PeerKey(1), RunIndex::new(0));
        requests.open(Timestamp::ZERO, PeerKey(1), RunIndex::new(3));
        requests.close(PeerKey(1), first);
        assert!(!requests.relabel(PeerKey(2), RunIndex::new(3), RunIndex::new(0)), "another peer's");
        assert!(requests.relabel(PeerKey(1), RunIndex::new(3), RunIndex::new(0)));
        let busy: Vec<u32> = requests.busy().iter().map(RunIndex::get).collect();
        assert_eq!(busy, [0]);
    }

    #[test]
    fn a_lost_peer_frees_its_runs_and_no_others() {
        let mut requests = Requests::new(8, 0);
        for run in 0..8 {
            requests.open(Timestamp::ZERO, PeerKey(run % 2), RunIndex::new(run));
        }
        assert_eq!(requests.close_peer(PeerKey(0)), 4);
        let left: Vec<u32> = requests.busy().iter().map(RunIndex::get).collect();
        assert_eq!(left, [1, 3, 5, 7]);
    }

    #[test]
    fn ages_survive_the_wrap_of_the_millisecond_counter() {
        let mut requests = Requests::new(1, 0);
        let before = Timestamp::from_millis(u64::from(u32::MAX) - 100);
        requests.open(before, PeerKey(1), RunIndex::new(0));
        let request = *requests.iter().next().unwrap();
        assert!((request.age(before + std::time::Duration::from_secs(2)) - 2.0).abs() < 0.01);
    }

    #[test]
    fn what_has_begun_to_come_counts_as_coming_for_so_many_ticks_and_keeps_its_age() {
        let mut requests = Requests::new(2, 0);
        let at = Timestamp::from_millis(7_777);
        let first = requests.open(at, PeerKey(1), RunIndex::new(0));
        requests.open(at, PeerKey(1), RunIndex::new(1));
        requests.begin(PeerKey(2), first, 9);
        assert!(requests.iter().all(|request| !request.is_coming()), "another peer's");
        requests.begin(PeerKey(1), first, 2);
        let coming = |requests: &Requests| requests.iter().map(Request::is_coming).collect::<Vec<_>>();
        assert_eq!(coming(&requests), [true, false]);
        let now = at + std::time::Duration::from_secs(3);
        assert!(requests.iter().all(|request| (request.age(now) - 3.0).abs() < 0.01));
        requests.pass_tick();
        assert_eq!(coming(&requests), [true, false]);
        requests.pass_tick();
        requests.pass_tick();
        assert_eq!(coming(&requests), [false, false]);
        assert!(requests.iter().all(|request| (request.age(now) - 3.0).abs() < 0.01));
        assert_eq!(size_of::<Request>(), 16);
    }
}
