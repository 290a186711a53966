//! Getting one content: which run from whom, and what to do when it does not come.
//!
//! Invariant: a link's `in_flight` is the number of requests to it.

use std::sync::Arc;

use crate::{
    config::Config,
    context::Context,
    group::{Group, prefers},
    groups::{Groups, Standing},
    id::{PeerKey, RequestId},
    input::Material,
    layout::{Layout, RunIndex},
    message::{Message, Refusal},
    origin::{Allowance, LATE_RATIO, LATE_SECONDS, OriginRule},
    output::Action,
    peers::{Link, Links},
    picker::{Availability, Sight},
    requests::{Request, Requests},
    run_set::RunSet,
    time::Timestamp,
    whole_pieces::WholePieces,
};

/// A request is taken over only from somebody this many times slower than the taker.
const STEAL_RATIO: f32 = 2.0;
/// And only if it would otherwise take at least this much longer.
const STEAL_SECONDS_MIN: f32 = 0.1;
/// Requests of small runs are many: as many bytes as this may always be asked for ahead.
const AHEAD_BYTES_MIN: u64 = 4 << 20;
/// The last of so many runs is the endgame, in which nobody waits for a turn; but no more than so many.
const ENDGAME_SHARE: u32 = 64;
const ENDGAME_RUNS_MAX: u32 = 16;

/// A member of the group that takes so many times longer than expected is stuck: what it was asked for may be imported.
const STUCK_RATIO: f32 = 3.0;

/// Two members of a group that began to import the same run within so many seconds did so at the same moment: one stops.
const RACE_SECONDS: f32 = 0.5;

/// Asked of a web seed to begin with.
const SERVER_BYTES_START: u32 = 2 << 20;

/// What is still to be got, and how it goes.
#[derive(Debug)]
pub(crate) struct Download {
    wanted: Option<RunSet>,
    missing: u32,
    availability: Availability,
    requests: Requests,
    origin: OriginRule,
    /// Where the next look for runs begins.
    cursor: u32,
    /// What to ask of web seeds.
    pieces: WholePieces,
    layout: Arc<Layout>,
    /// Bytes of an average run, for rates and depths.
    run_bytes: u32,
    disk_full: bool,
    rated: Timestamp,
    groups: Groups,
}

/// A run that came and was stored: what the engine sees of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) peer: PeerKey,
    pub(crate) request: RequestId,
    pub(crate) run: RunIndex,
    pub(crate) bytes: u32,
}

/// What became of a run that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// New to us.
    New,
    /// We held it already: wasted.
    Duplicate,
}

impl Download {
    /// `first_request` is the number of the first request.
    pub(crate) fn new(ctx: &mut Context<'_>, material: &Material, first_request: u32) -> Download {
        let runs = material.layout.runs();
        let missing = match &material.wanted {
            Some(wanted) => wanted.count_beyond(&material.have),
            None => runs - material.have.count(),
        };
        let cursor = ctx.random.below(runs);
        Download {
            wanted: material.wanted.clone(),
            missing,
            availability: Availability::new(runs),
            requests: Requests::new(runs, first_request),
            origin: OriginRule::new(ctx.now, ctx.config),
            cursor,
            pieces: WholePieces::from(cursor),
            layout: material.layout.clone(),
            run_bytes: mean_run_bytes(&material.layout),
            disk_full: false,
            rated: ctx.now,
            groups: Groups::default(),
        }
    }

    /// The groups we are in.
    pub(crate) fn groups(&mut self) -> &mut Groups {
        &mut self.groups
    }

    /// Looks at where the groups stand; once a tick, after [`Download::judge`].
    pub(crate) fn survey(&mut self, ctx: &Context<'_>, links: &Links, have: &RunSet, standing: Standing) {
        self.groups.survey(ctx, links, have, &self.layout, standing);
    }

    /// A member of a group of ours announces that it imports runs.
    pub(crate) fn on_importing(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        peer: PeerKey,
        runs: &[RunIndex],
    ) {
        let tags = (ctx.locality.tag, ctx.maps.tag(peer));
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

    /// The number after that of the last request.
    pub(crate) fn next_request(&self) -> u32 {
        self.requests.next()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full
    }

    pub(crate) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// So little is missing that it is not worth waiting for.
    fn is_endgame(&self) -> bool {
        self.missing <= (self.layout.runs() / ENDGAME_SHARE).clamp(1, ENDGAME_RUNS_MAX)
    }

    fn wants(&self, run: RunIndex) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(run))
    }

    /// Whether `theirs` holds something we still lack and want.
    pub(crate) fn is_interesting(&self, theirs: &RunSet, have: &RunSet) -> bool {
        let pairs = theirs.words().iter().zip(have.words()).enumerate();
        let wanted = |at: usize| self.wanted.as_ref().map_or(u64::MAX, |wanted| wanted.words()[at]);
        !self.is_complete() && pairs.into_iter().any(|(at, (theirs, mine))| theirs & !mine & wanted(at) != 0)
    }

    /// Tells a neighbour when our interest in it has changed.
    pub(crate) fn update_interest(&self, ctx: &mut Context<'_>, link: &mut Link, have: &RunSet) {
        let interesting = ctx.map(link.peer).is_some_and(|theirs| self.is_interesting(theirs, have));
        if interesting != link.interests_us() {
            link.set_interests_us(interesting);
            if !link.is_web_seed() {
                ctx.send(link.peer, Message::Interested(interesting));
            }
        }
    }

    /// Asks a neighbour for as much as it should have in flight.
    pub(crate) fn fill(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        have: &RunSet,
        peer: PeerKey,
        dialing: bool,
    ) {
        if self.disk_full || self.is_complete() {
            return;
        }
        while let Some(link) = links.get(peer).filter(|link| link.has_room()) {
            let Some(theirs) = ctx.map(peer) else { return };
            let allowance = match link.is_origin() {
                true => self.origin.allowance(ctx.now, dialing),
                false => Allowance::All,
            };
            let gate = self.groups.gate(link).filter(|_| !self.is_endgame());
            let is_early = gate.is_none() && link.is_outside() && self.origin.is_early(ctx.now, dialing);
            if allowance == Allowance::Nothing || is_early && !link.is_origin() && ctx.config.nearness {
                return;
            }
            let mut sight = Sight {
                theirs,
                mine: have,
                busy: self.requests.busy(),
                wanted: self.wanted.as_ref(),
                availability: &self.availability,
                unshared_only: allowance == Allowance::Unshared,
                open: None,
                shut: None,
            };
            let picked = match (link.is_web_seed(), gate) {
                (true, _) => self.pieces.pick(&self.layout, &sight, ctx.random),
                (false, Some(group)) => pick_within(group, link, &mut sight, self.cursor),
                (false, None) => sight.pick(self.cursor).map(|run| run.get()..run.get() + 1),
            };
            let runs = match picked {
                Some(runs) => runs,
                // A coin, because everybody hears of a new holder at once: half of those who wait
                // elsewhere move over, and so a new run spreads by doubling.
                None if ctx.random.below(2) == 0 => return,
                None => match self.slowest_request(ctx.now, links, theirs, link) {
                    Some(run) if link.is_web_seed() => self.layout.piece_runs(self.layout.run(run).piece),
                    Some(run) => run.get()..run.get() + 1,
                    None => return,
                },
            };
            if runs.len() > usize::from(u8::MAX - link.in_flight) {
                return;
            }
            match link.is_web_seed() {
                true => self.pieces.go_on_from(runs.end),
                false => self.cursor = runs.end,
            }
            for run in runs.map(RunIndex::new).filter(|&run| !have.contains(run)) {
                // Taken over, if it was asked of somebody slow.
                self.withdraw(ctx, links, run);
                self.request(ctx, links, peer, run);
            }
        }
    }

    fn request(&mut self, ctx: &mut Context<'_>, links: &mut Links, peer: PeerKey, run: RunIndex) {
        let Some(link) = links.get_mut(peer) else { return };
        link.in_flight += 1;
        // What only an origin has it gives once by itself, and nobody else can have begun with it.
        if !link.is_origin() || self.availability.of(run) > 0 {
            self.groups.on_request(link, run);
        }
        let request = self.requests.open(ctx.now, peer, run);
        ctx.put(Action::Request { peer, request, run });
    }

    /// The run worth taking over by `thief`: of the neighbour that will be slowest to bring one, if
    /// `thief` is so much faster that it pays.
    fn slowest_request(
        &self,
        now: Timestamp,
        links: &Links,
        theirs: &RunSet,
        thief: &Link,
    ) -> Option<RunIndex> {
        if thief.in_flight > 0 {
            // Busy itself: it has no time to spare.
            return None;
        }
        let mut threshold = (thief.seconds_to_answer(self.run_bytes) * STEAL_RATIO).max(STEAL_SECONDS_MIN);
        if thief.is_origin() {
            threshold = threshold.max(LATE_SECONDS);
        }
        let gate = self.groups.gate(thief).filter(|_| !self.is_endgame());
        let mut slowest = None;
        for request in self.requests.iter().filter(|request| theirs.contains(request.run)) {
            let Some(owner) = links.get(request.peer) else {
                continue;
            };
            let (expected, age) = (owner.seconds_to_answer(self.run_bytes), request.age(now));
            // What is overdue will take as long again as it has taken already.
            let remaining = if age < expected { expected - age } else { age };
            if gate.is_some_and(|group| !may_import(group, owner, request, age, expected)) {
                continue;
            }
            if remaining > threshold {
                threshold = remaining;
                slowest = Some(request.run);
            }
        }
        slowest
    }

    /// Takes a request back. Should its answer still come, it counts.
    fn withdraw(&mut self, ctx: &mut Context<'_>, links: &mut Links, run: RunIndex) {
        let Some(request) = self.requests.close_run(run) else {
            return;
        };
        ctx.put(Action::Cancel { peer: request.peer, request: request.id });
        if let Some(owner) = links.get_mut(request.peer) {
            owner.in_flight -= 1;
        }
    }

    /// Closes the request an answer names; a stale answer closes none.
    fn settle(&mut self, links: &mut Links, peer: PeerKey, request: RequestId) -> Option<RunIndex> {
        let asked = self.requests.close(peer, request)?.run;
        if let Some(link) = links.get_mut(peer) {
            link.in_flight -= 1;
        }
        Some(asked)
    }

    /// A run came and was stored; `have` is not changed here.
    pub(crate) fn on_stored(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        have: &RunSet,
        receipt: Receipt,
    ) -> Arrival {
        let Receipt { peer, request, run, bytes } = receipt;
        let asked = self.settle(links, peer, request);
        let steered = asked.filter(|&asked| asked != run && !have.contains(asked));
        if !steered.is_some_and(|asked| self.requests.relabel(peer, run, asked)) {
            // Asked of somebody else too: no longer needed there.
            self.withdraw(ctx, links, run);
        }
        if let Some(link) = links.get_mut(peer) {
            link.received = link.received.saturating_add(bytes);
            if !link.is_origin() {
                self.origin.on_run_from_peer(ctx.now, ctx.config, ctx.random);
            }
        }
        if have.contains(run) {
            return Arrival::Duplicate;
        }
        self.groups.on_come(links.get(peer), run);
        self.missing -= u32::from(self.wants(run));
        Arrival::New
    }

    /// A request brought nothing. False if it was not open: the answer is stale.
    pub(crate) fn on_failed(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        peer: PeerKey,
        request: RequestId,
        refusal: Option<Refusal>,
    ) -> bool {
        if self.settle(links, peer, request).is_none() {
            return false;
        }
        let Some(link) = links.get_mut(peer) else { return true };
        match refusal {
            Some(Refusal::Elsewhere) => self.origin.on_elsewhere(ctx.now, ctx.config, ctx.random),
            // Asked again at the next tick, with a shorter queue.
            Some(Refusal::Busy) | None => link.depth = (link.depth / 2).max(ctx.config.requests_min),
            // The message that says so is on its way.
            Some(Refusal::Choked | Refusal::Missing) => {}
        }
        true
    }

    /// A neighbour is new.
    pub(crate) fn on_linked(&mut self, ctx: &Context<'_>, link: &Link, theirs: &RunSet) {
        self.groups.on_linked(ctx, link, theirs);
        if link.is_counted() {
            self.availability.add_all(theirs);
        }
    }

    /// A neighbour holds more.
    pub(crate) fn on_have(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        have: &RunSet,
        peer: PeerKey,
        runs: &[RunIndex],
    ) {
        self.groups.on_have(ctx, links, have, (peer, runs), &self.layout);
        self.spare_origins(ctx, links, runs);
        let Some(link) = links.get(peer) else { return };
        self.pieces.on_have(runs, self.requests.busy());
        if link.is_counted() {
            runs.iter().for_each(|&run| self.availability.add(run));
        }
    }

    /// Runs turned up that were asked of an origin beyond a border: whoever's turn it is gets them from there.
    fn spare_origins(&mut self, ctx: &mut Context<'_>, links: &mut Links, runs: &[RunIndex]) {
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

    /// A neighbour is gone; what it was asked for is free again.
    pub(crate) fn on_unlinked(&mut self, link: &Link, theirs: Option<&RunSet>) {
        self.requests.close_peer(link.peer);
        if let Some(theirs) = theirs.filter(|_| link.is_counted()) {
            self.availability.subtract_all(theirs);
        }
    }

    /// A neighbour lost runs: what it was asked for of those is free again.
    pub(crate) fn on_lost_by(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        peer: PeerKey,
        runs: &[RunIndex],
    ) {
        for &run in runs {
            if links.get(peer).is_some_and(Link::is_counted) {
                self.availability.subtract(run);
            }
            if self.requests.iter().any(|request| request.run == run && request.peer == peer) {
                self.withdraw(ctx, links, run);
            }
        }
    }

    /// A run of ours is gone.
    pub(crate) fn on_run_lost(&mut self, run: RunIndex) {
        self.missing += u32::from(self.wants(run));
    }

    /// The disk has no room, or has again. What is in flight will fail by itself.
    pub(crate) fn set_disk_full(&mut self, full: bool) {
        self.disk_full = full;
    }

    /// Takes the rates of the time since the last look, and sets how much each may have in flight.
    pub(crate) fn rate(&mut self, ctx: &mut Context<'_>, links: &mut Links) {
        let seconds = ctx.now.since(self.rated).as_secs_f32();
        if seconds < 0.05 {
            return;
        }
        self.rated = ctx.now;
        let (min, start) = (f32::from(ctx.config.requests_min), ctx.config.requests_start);
        let max = f32::from(depth_max(ctx.config, self.run_bytes));
        for link in links.iter_mut() {
            let now = link.received as f32 / seconds;
            let idle = link.in_flight == 0 && link.received == 0;
            link.received = 0;
            if idle {
                continue;
            }
            link.rate = if link.rate == 0.0 { now } else { (link.rate + now) / 2.0 };
            let ahead = link.rate * ctx.config.request_horizon.as_secs_f32() / self.run_bytes as f32;
            link.depth = if link.rate == 0.0 { start } else { (ahead.ceil() + 1.0).clamp(min, max) as u8 };
        }
    }

    /// Bounds what is asked of web seeds while others ask them too: our share of what nobody has yet. They
    /// cannot steer, so towards the end everybody would fetch the same last runs. To be called after
    /// [`Download::rate`].
    pub(crate) fn share_web_seeds(&self, ctx: &Context<'_>, links: &mut Links, have: &RunSet) {
        let lacks = |link: &Link| ctx.map(link.peer).is_some_and(|theirs| !theirs.is_full());
        let others = links.iter().filter(|link| !link.is_origin() && lacks(link)).count();
        let alone = others == 0 || !links.iter().any(Link::is_web_seed);
        if alone || self.origin.allowance(ctx.now, false) != Allowance::Unshared {
            return;
        }
        let missing = |&run: &RunIndex| !have.contains(run) && self.wants(run);
        let all = (0..self.layout.runs()).map(RunIndex::new);
        let unshared = all.filter(missing).filter(|&run| self.availability.of(run) == 0).count();
        let share = (unshared / (others + 1)).clamp(1, usize::from(u8::MAX)) as u8;
        for link in links.iter_mut().filter(|link| link.is_web_seed()) {
            link.depth = link.depth.min(share);
        }
    }

    /// Finds out who is late, and who no longer is.
    pub(crate) fn judge(&mut self, ctx: &mut Context<'_>, links: &mut Links) {
        // Slower than the origin by far; where that is slow itself, nobody is late so soon.
        let origins = links.iter().filter(|link| link.is_origin());
        let origin_seconds = origins.map(|link| link.seconds_to_answer(self.run_bytes)).fold(0.0, f32::max);
        let late_seconds = LATE_SECONDS.max(LATE_RATIO * origin_seconds);
        // Requests are in order of age: the first found of a peer is its oldest.
        let late: Vec<PeerKey> = self
            .requests
            .iter()
            .take_while(|request| request.age(ctx.now) > late_seconds)
            .map(|request| request.peer)
            .collect();
        for link in links.iter_mut().filter(|link| !link.is_origin()) {
            let Some(theirs) = ctx.map(link.peer) else { continue };
            let keeps_up = link.rate * late_seconds >= self.run_bytes as f32;
            if !link.is_late() && !keeps_up && late.contains(&link.peer) {
                self.availability.subtract_all(theirs);
                link.set_late(true);
            } else if link.is_late() && keeps_up {
                self.availability.add_all(theirs);
                link.set_late(false);
            }
        }
    }

    pub(crate) fn depth_start(&self, configured: u8) -> u8 {
        let small_runs = u64::from(configured) * u64::from(crate::layout::RUN_BYTES_MAX) / 4;
        configured.max((small_runs / u64::from(self.run_bytes.max(1))).min(64) as u8)
    }

    /// Requests to a web seed to begin with: large ones for each of the few connections to it.
    pub(crate) fn depth_to_server(&self) -> u8 {
        (SERVER_BYTES_START / self.run_bytes.max(1)).clamp(2, 64) as u8
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let wanted = self.wanted.as_ref().map_or(0, |wanted| wanted.words().len() * 8);
        size_of::<Download>()
            + wanted
            + self.groups.heap_bytes()
            + self.availability.heap_bytes()
            + self.requests.heap_bytes()
    }
}

/// Whether a run on its way from `owner` may be asked of a neighbour beyond the border of a group instead.
fn may_import(group: &Group, owner: &Link, request: &Request, age: f32, expected: f32) -> bool {
    match (owner.is_origin(), owner.is_outside()) {
        // It has turned up elsewhere: whose turn it is imports it.
        (true, _) => group.open().contains(request.run),
        // It is imported already; what a second neighbour is asked for may come twice.
        (false, true) => age >= (2.0 * expected).max(LATE_SECONDS),
        // It comes from inside: that takes more than impatience.
        (false, false) => age >= STUCK_RATIO * expected.max(LATE_SECONDS),
    }
}

/// The run to ask a neighbour beyond the border of a group for.
fn pick_within(
    group: &Group,
    link: &Link,
    sight: &mut Sight<'_>,
    cursor: u32,
) -> Option<std::ops::Range<u32>> {
    let pick = |sight: &Sight<'_>| sight.pick(cursor).map(|run| run.get()..run.get() + 1);
    if link.is_origin() {
        // What only origins have is nobody's turn.
        let spared = std::mem::replace(&mut sight.unshared_only, true);
        let unshared = pick(&Sight { shut: Some(group.here()), ..*sight });
        sight.unshared_only = spared;
        if unshared.is_some() || spared {
            return unshared;
        }
    }
    let in_turn = pick(&Sight { open: Some(group.open()), ..*sight });
    in_turn.or_else(|| group.is_behind().then(|| pick(sight)).flatten())
}

/// Requests in flight to one neighbour at most: of small runs more, but not more than it holds for us,
/// with a margin for those it has sent and not yet counted as sent. What is refused halves the depth.
fn depth_max(config: &Config, run_bytes: u32) -> u8 {
    let small_runs = AHEAD_BYTES_MIN / u64::from(run_bytes.max(1));
    let held = u64::from(config.uploads_queued_max) * 3 / 4;
    config.requests_max.max(small_runs.min(held) as u8)
}

fn mean_run_bytes(layout: &Layout) -> u32 {
    layout.bytes().div_ceil(u64::from(layout.runs().max(1))).max(1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_small_runs_are_asked_for_than_a_neighbour_holds() {
        let config = Config::default();
        assert_eq!(depth_max(&config, 256 << 10), config.requests_max);
        assert_eq!(depth_max(&config, 32 << 10), 96, "of 128 that would be 4 MiB");
        assert!((1..1 << 18).all(|bytes| depth_max(&config, bytes) < config.uploads_queued_max));
    }
}
