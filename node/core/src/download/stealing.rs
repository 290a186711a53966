//! Requests taken back: because somebody faster takes them over, or because a group of ours gets the run in another way.

use std::time::Duration;

use super::Download;
use crate::{
    content::{held::Held, layout::RunIndex},
    context::Context,
    download::requests::Request,
    id::{PeerKey, RequestId},
    links::{
        group::{Group, prefers},
        peers::{Link, Links},
    },
    origin::rule::LATE_SECONDS,
    output::Action,
    time::Timestamp,
};

/// A request is taken over only from somebody this many times slower than the taker.
const STEAL_RATIO: f32 = 2.0;
/// And only if it would otherwise take at least this much longer.
const STEAL_SECONDS_MIN: f32 = 0.1;
/// Somebody who never brought what it was asked for takes over only what would take at least so much longer.
const IDLER_SECONDS: f32 = 10.0;
/// What lies with somebody who does not deliver counts as taking so much longer: it is taken over before anything else.
const LIES_SECONDS: f32 = 1e6;

/// A member of the group that takes so many times longer than expected is stuck: what it was asked for may be imported.
const STUCK_RATIO: f32 = 3.0;
/// Or takes so long, whatever was expected of it: somebody silent is expected to take the longer, the longer it is silent.
const STUCK_SECONDS_MAX: f32 = 10.0;

/// Two members of a group that began to import the same run within so many seconds did so at the same moment: one stops.
const RACE_SECONDS: f32 = 0.5;

/// What has begun to arrive is not taken over for so long: it cannot be called back, and would arrive for nothing. No
/// longer, because a liar may begin and never end.
const COMING_TIME: Duration = Duration::from_secs(10);

impl Download {
    /// The run worth taking over by `thief`: of the neighbour that will be slowest to bring one, if
    /// `thief` is so much faster that it pays.
    pub(super) fn slowest_request(
        &self,
        now: Timestamp,
        links: &Links,
        theirs: Held<'_>,
        thief: &Link,
    ) -> Option<RunIndex> {
        let is_proven = !thief.is_stranger() && !thief.is_late() && !self.conduct.is_fruitless(thief.peer);
        if thief.in_flight > 0 && !is_proven {
            // Busy itself: it has no time to spare.
            return None;
        }
        let late_seconds = self.late_after;
        let mut threshold = (thief.seconds_to_answer(self.run_bytes) * STEAL_RATIO).max(STEAL_SECONDS_MIN);
        if thief.is_origin() || thief.is_stranger() {
            threshold = threshold.max(LATE_SECONDS);
        }
        // Nor is anything handed from one to the next of those who never brought what they were asked for, while an origin
        // could take it.
        let let_us_wait = thief.is_late() || self.conduct.is_fruitless(thief.peer);
        if thief.is_stranger() && let_us_wait {
            threshold = threshold.max(IDLER_SECONDS);
        }
        let is_endgame = self.is_endgame();
        let gate = self.groups.gate(thief).filter(|_| !is_endgame);
        // The last runs are for the fastest: what comes slowly would hold up the end.
        let may_be_taken = |request: &&Request| is_endgame || !request.is_coming();
        let mut slowest = None;
        for request in self.requests.iter().filter(may_be_taken).filter(|it| theirs.contains(it.run)) {
            let Some(owner) = links.get(request.peer).filter(|owner| owner.peer != thief.peer) else {
                continue;
            };
            let (expected, age) = (owner.seconds_to_answer(self.run_bytes), request.age(now));
            if gate.is_some_and(|group| !may_import(group, owner, request, age, expected)) {
                continue;
            }
            let lies = age > late_seconds && (owner.is_stranger() || owner.is_late());
            let remaining = match () {
                // Who delivers takes it, busy or not, and however slow it is: there it comes some time.
                () if lies && is_proven => LIES_SECONDS + age,
                // Who let us wait gets nothing of those who deliver.
                () if thief.in_flight > 0 || let_us_wait && !lies => continue,
                () if age < expected => expected - age,
                // What is overdue will take as long again as it has taken already.
                () => age,
            };
            if remaining > threshold {
                threshold = remaining;
                slowest = Some(request.run);
            }
        }
        slowest
    }

    /// A run has begun to arrive, and is not whole yet.
    pub(crate) fn on_coming(&mut self, ctx: &Context<'_>, peer: PeerKey, request: RequestId) {
        let ticks = COMING_TIME.as_nanos().checked_div(ctx.config.requests.tick.as_nanos()).unwrap_or(0);
        self.requests.begin(peer, request, u8::try_from(ticks.max(1)).unwrap_or(u8::MAX));
    }

    /// Takes a request back, and tells whom it was made to. Should its answer still come, it counts.
    pub(super) fn withdraw(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        run: RunIndex,
    ) -> Option<PeerKey> {
        let request = self.requests.close_run(run)?;
        ctx.put(Action::Cancel { peer: request.peer, request: request.id });
        let owner = links.get_mut(request.peer)?;
        owner.in_flight = owner.in_flight.saturating_sub(1);
        self.conduct.on_withdrawn(request.peer);
        Some(request.peer)
    }

    /// Somebody else was asked for a run instead. Who is late already, or never gave anything, is not asked for the next one
    /// at once: it would be late as well, and what comes all the same would be wasted.
    pub(super) fn on_robbed(&mut self, ctx: &Context<'_>, links: &Links, owner: PeerKey) {
        if let Some(link) = links.get(owner).filter(|link| link.is_late() || link.is_stranger()) {
            self.conduct.on_fruitless(ctx.now, owner, ctx.config.requests.tick, link.is_stranger());
        }
    }

    /// A member of a group of ours announces that it imports runs.
    pub(crate) fn on_importing(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        peer: PeerKey,
        runs: &[RunIndex],
    ) {
        let tags = (ctx.locality.tag, ctx.maps.location(peer).tag);
        for run in self.groups.on_importing(links, peer, runs) {
            if !self.requests.busy().contains(run) || !prefers(&self.layout, run, tags) {
                continue;
            }
            let young = |request: &&Request| request.run == run && request.age(ctx.now) < RACE_SECONDS;
            let owner = self.requests.iter().find(young).map(|request| request.peer);
            if owner.and_then(|owner| links.get(owner)).is_some_and(Link::is_outside) {
                self.withdraw(ctx, links, run);
            }
        }
    }

    /// Runs turned up that were asked of an origin beyond a border: whoever's turn it is gets them from there.
    pub(super) fn spare_origins(&mut self, ctx: &mut Context<'_>, links: &mut Links, runs: &[RunIndex]) {
        let asked: Vec<RunIndex> =
            runs.iter().copied().filter(|&run| self.requests.busy().contains(run)).collect();
        for run in asked {
            let owner = self.requests.iter().find(|request| request.run == run).map(|request| request.peer);
            let Some(link) = owner.and_then(|owner| links.get(owner)) else { continue };
            if link.is_origin() && !link.is_web_seed() && self.groups.gate(link).is_some() {
                self.withdraw(ctx, links, run);
            }
        }
    }
}

/// Whether a run on its way from `owner` may be asked of a neighbour beyond the border of a group instead.
fn may_import(group: &Group, owner: &Link, request: &Request, age: f32, expected: f32) -> bool {
    match (owner.is_origin(), owner.is_outside()) {
        // It has turned up elsewhere: whose turn it is imports it. Or it does not come from there: anybody may say that it is
        // an origin.
        (true, _) => group.open().contains(request.run) || owner.is_late() && age >= STUCK_SECONDS_MAX,
        // It is imported already; what a second neighbour is asked for may come twice.
        (false, true) => age >= (2.0 * expected).max(LATE_SECONDS),
        // It comes from inside: that takes more than impatience.
        (false, false) => age >= (STUCK_RATIO * expected.max(LATE_SECONDS)).min(STUCK_SECONDS_MAX),
    }
}
