//! Getting one content: which run from whom, and what to do when it does not come.
//!
//! Invariant: a link's `in_flight` is the number of requests to it.

mod check;
pub(crate) mod picker;
mod rating;
pub(crate) mod requests;
pub mod web_pace;
pub(crate) mod whole_pieces;

use std::sync::Arc;

use crate::{
    content::{
        held::Held,
        layout::{Layout, RunIndex},
        run_set::RunSet,
    },
    context::Context,
    download::{
        picker::Sight,
        requests::{Request, Requests},
        whole_pieces::WholePieces,
    },
    id::{PeerKey, RequestId},
    input::{Material, RunFailure, Via},
    links::{
        availability::Availability,
        conduct::{Conduct, RUNS_PER_REPEAT, Verdict},
        group::{Group, prefers},
        groups::{Groups, Standing},
        peers::{Link, Links},
    },
    message::{Message, Refusal},
    origin::rule::{Allowance, LATE_SECONDS, OriginRule},
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
/// The last of so many runs is the endgame, in which nobody waits for a turn; but no more than so many.
const ENDGAME_SHARE: u32 = 64;
const ENDGAME_RUNS_MAX: u32 = 16;

/// A member of the group that takes so many times longer than expected is stuck: what it was asked for may be imported.
const STUCK_RATIO: f32 = 3.0;
/// Or takes so long, whatever was expected of it: somebody silent is expected to take the longer, the longer it is silent.
const STUCK_SECONDS_MAX: f32 = 10.0;

/// Two members of a group that began to import the same run within so many seconds did so at the same moment: one stops.
const RACE_SECONDS: f32 = 0.5;

/// After so many newcomers who said that they hold runs and gave none, no newcomer counts as a holder before it has given
/// one: else fresh names without end would keep us from asking the origin.
const LET_DOWN_MAX: u8 = 4;

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
    /// Newcomers that said what they hold and gave none of it.
    let_down: u8,
    /// Runs that origins sent in place of others, and that we held. Two bytes, as the size of a leecher counts.
    repeats: u16,
    rated: Timestamp,
    groups: Groups,
    conduct: Conduct,
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

/// What the answer to a request leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// The request was open; else it had been taken back, or its link was gone.
    pub(crate) was_open: bool,
    pub(crate) verdict: Verdict,
}

impl Download {
    /// `first_request` is the number of the first request.
    pub(crate) fn new(ctx: &mut Context<'_>, material: &Material, first_request: u32) -> Download {
        let runs = material.layout.runs();
        let missing = match &material.wanted {
            Some(wanted) => wanted.count_beyond(&material.have),
            None => runs.saturating_sub(material.have.count()),
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
            let_down: 0,
            repeats: 0,
            rated: ctx.now,
            groups: Groups::default(),
            conduct: Conduct::default(),
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
    pub(crate) fn is_interesting(&self, theirs: Held<'_>, have: &RunSet) -> bool {
        let lacking = |at: usize, mine: u64| theirs.word(at) & !mine;
        let wanted = |at: usize| self.wanted.as_ref().map_or(u64::MAX, |wanted| wanted.words()[at]);
        !self.is_complete() && (0..).zip(have.words()).any(|(at, &mine)| lacking(at, mine) & wanted(at) != 0)
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

    /// Until when origins, and those far away, wait for peers that are being dialled.
    pub(crate) fn waits_for_dials_until(&self) -> Timestamp {
        self.origin.early_until()
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
        if self.disk_full || self.is_complete() || self.conduct.is_paused(ctx.now, peer) {
            return;
        }
        let in_flight_max = self.conduct.in_flight_max(peer);
        let has_room = |link: &&Link| link.has_room() && link.in_flight < in_flight_max;
        while let Some(link) = links.get(peer).filter(has_room) {
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
                (false, None) => sight.pick(self.cursor).map(only),
            };
            let runs = match picked {
                Some(runs) => runs,
                // A coin, because everybody hears of a new holder at once: half of those who wait
                // elsewhere move over, and so a new run spreads by doubling.
                None if ctx.random.below(2) == 0 => return,
                None => match self.slowest_request(ctx.now, links, theirs, link) {
                    Some(run) if link.is_web_seed() => self.layout.piece_runs(self.layout.run(run).piece),
                    Some(run) => only(run),
                    None => return,
                },
            };
            if runs.len() > usize::from(u8::MAX.saturating_sub(link.in_flight)) {
                return;
            }
            // Whom the user named is asked at once, whatever others behind its address did.
            let is_trial = link.is_stranger() && link.in_flight == 0 && link.via() != Via::Named;
            if is_trial && !link.is_web_seed() && !ctx.strikes.may_try(ctx.now, ctx.maps, peer) {
                return;
            }
            match link.is_web_seed() {
                true => self.pieces.go_on_from(runs.end),
                false => self.cursor = runs.end,
            }
            for run in runs.map(RunIndex::new).filter(|&run| !have.contains(run)) {
                // Taken over, if it was asked of somebody slow.
                if let Some(owner) = self.withdraw(ctx, links, run) {
                    self.on_robbed(ctx, links, owner);
                }
                self.request(ctx, links, peer, run);
            }
        }
    }

    fn request(&mut self, ctx: &mut Context<'_>, links: &mut Links, peer: PeerKey, run: RunIndex) {
        let Some(link) = links.get_mut(peer) else { return };
        link.in_flight = link.in_flight.saturating_add(1);
        // What only an origin has it gives once by itself, and nobody else can have begun with it.
        if !link.is_origin() || self.availability.of(run) > 0 {
            self.groups.on_request(link, run);
        }
        let exact = link.is_origin() && !link.is_web_seed() && !self.may_steer(peer);
        let request = self.requests.open(ctx.now, peer, run);
        ctx.put(Action::Request { peer, request, run, exact });
    }

    /// Whether an origin may answer with another run than it is asked for. Two that are honest and know nothing of each other
    /// may send the same one, so nobody is blamed for that; but anybody may say that it is an origin.
    fn may_steer(&self, peer: PeerKey) -> bool {
        let repeats_max = crate::saturate::to_u16(self.layout.runs() / RUNS_PER_REPEAT).max(1);
        self.repeats < repeats_max && self.conduct.may_steer(peer)
    }

    /// The run worth taking over by `thief`: of the neighbour that will be slowest to bring one, if
    /// `thief` is so much faster that it pays.
    fn slowest_request(
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
        let late_seconds = self.late_seconds(links);
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
        let gate = self.groups.gate(thief).filter(|_| !self.is_endgame());
        let mut slowest = None;
        for request in self.requests.iter().filter(|request| theirs.contains(request.run)) {
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

    /// Takes a request back, and tells whom it was made to. Should its answer still come, it counts.
    fn withdraw(&mut self, ctx: &mut Context<'_>, links: &mut Links, run: RunIndex) -> Option<PeerKey> {
        let request = self.requests.close_run(run)?;
        ctx.put(Action::Cancel { peer: request.peer, request: request.id });
        let owner = links.get_mut(request.peer)?;
        owner.in_flight = owner.in_flight.saturating_sub(1);
        self.conduct.on_withdrawn(request.peer);
        Some(request.peer)
    }

    /// Somebody else was asked for a run instead. Who is late already, or never gave anything, is not asked for the next one
    /// at once: it would be late as well, and what comes all the same would be wasted.
    fn on_robbed(&mut self, ctx: &Context<'_>, links: &Links, owner: PeerKey) {
        if let Some(link) = links.get(owner).filter(|link| link.is_late() || link.is_stranger()) {
            self.conduct.on_fruitless(ctx.now, owner, ctx.config.tick, link.is_stranger());
        }
    }

    /// Closes the request an answer names; a stale answer closes none.
    fn settle(&mut self, links: &mut Links, peer: PeerKey, request: RequestId) -> Option<RunIndex> {
        let asked = self.requests.close(peer, request)?.run;
        if let Some(link) = links.get_mut(peer) {
            link.in_flight = link.in_flight.saturating_sub(1);
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
    ) -> (Arrival, Verdict) {
        let Receipt { peer, request, run, bytes } = receipt;
        let asked = self.settle(links, peer, request);
        let is_due = asked.is_some() || self.conduct.take_owed(peer);
        let steered = asked.filter(|&asked| asked != run && !have.contains(asked));
        if !steered.is_some_and(|asked| self.requests.relabel(peer, run, asked)) {
            // Asked of somebody else too: no longer needed there.
            self.withdraw(ctx, links, run);
        }
        let is_origin = links.get(peer).is_none_or(Link::is_origin);
        // Only an origin knows better than we what we should have.
        let is_false_answer = !is_origin && asked.is_some_and(|asked| asked != run);
        if have.contains(run) {
            let verdict = match asked {
                Some(_) if is_false_answer => Verdict::Ban,
                // It was not what we asked for: that request would be closed.
                Some(_) => {
                    self.repeats = self.repeats.saturating_add(1);
                    self.conduct.on_repeat(peer);
                    Verdict::Bear
                }
                // Taken over from it, and come all the same: no fault of the sender's.
                None if is_due || links.get(peer).is_none() => Verdict::Bear,
                None => self.conduct.on_undue(peer),
            };
            return (Arrival::Duplicate, verdict);
        }
        if let Some(link) = links.get_mut(peer).filter(|_| is_due && !is_false_answer) {
            if link.is_stranger() && !link.is_web_seed() {
                link.depth = link.depth.max(self.depth_start(ctx.config.requests_start));
                ctx.strikes.on_good(ctx.now, ctx.maps, peer);
                self.let_down = self.let_down.saturating_sub(1);
            }
            link.received = link.received.saturating_add(bytes);
            ctx.strikes.on_run(ctx.now, ctx.maps, peer);
            self.conduct.on_new(peer);
            if !is_origin {
                self.origin.on_run_from_peer(ctx.now, ctx.config, ctx.random);
            }
        }
        self.groups.on_come(links.get(peer), run);
        self.missing = self.missing.saturating_sub(self.wants(run).into());
        (Arrival::New, if is_false_answer { Verdict::Ban } else { Verdict::Bear })
    }

    /// A request brought nothing.
    pub(crate) fn on_failed(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        peer: PeerKey,
        request: RequestId,
        cause: RunFailure,
    ) -> Settled {
        if self.settle(links, peer, request).is_none() {
            self.conduct.take_owed(peer);
            return Settled { was_open: false, verdict: Verdict::Bear };
        }
        let mut settled = Settled { was_open: true, verdict: Verdict::Bear };
        let Some(link) = links.get_mut(peer) else { return settled };
        if matches!(
            cause,
            RunFailure::Refused(Refusal::Busy) | RunFailure::Silent | RunFailure::NotStored { .. }
        ) {
            // Asked again at the next tick, with a shorter queue.
            link.depth = (link.depth / 2).max(ctx.config.requests_min);
        }
        match cause {
            RunFailure::Refused(Refusal::Elsewhere) => {
                let who = (peer, link.is_origin());
                settled.verdict = self.conduct.on_elsewhere(ctx.now, who, ctx.config.tick, ctx.random);
            }
            RunFailure::Refused(_) => {
                self.conduct.on_fruitless(ctx.now, peer, ctx.config.tick, link.is_stranger());
            }
            RunFailure::Corrupt { .. }
            | RunFailure::Unasked
            | RunFailure::NotStored { .. }
            | RunFailure::BrokenOff { .. }
            | RunFailure::Silent => {}
        }
        settled
    }

    /// A neighbour is new.
    pub(crate) fn on_linked(&mut self, ctx: &Context<'_>, link: &mut Link, theirs: Held<'_>) {
        // Whom we would not ask now is no holder before it brings something, nor is anybody new after too many let us down.
        let waits = link.via() != Via::Named && ctx.strikes.has_to_wait(ctx.now, ctx.maps, link.peer);
        if !link.is_web_seed() && (waits || self.let_down >= LET_DOWN_MAX) {
            link.set_late(true);
        }
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
        let Some(link) = links.get(peer) else { return };
        self.pieces.on_have(runs, self.requests.busy());
        if link.is_counted() {
            self.spare_origins(ctx, links, runs);
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
    pub(crate) fn on_unlinked(&mut self, ctx: &mut Context<'_>, link: &Link, theirs: Option<Held<'_>>) {
        // Else it would repeat itself, hang up and come again, for ever.
        if link.is_stranger() && self.conduct.repeats_itself(link.peer) {
            ctx.strikes.note(ctx.now, ctx.maps, link.peer);
        }
        self.requests.close_peer(link.peer);
        self.conduct.forget(link.peer);
        if link.is_stranger()
            && !link.is_web_seed()
            && !link.is_late()
            && theirs.is_some_and(|it| !it.is_empty())
        {
            self.let_down = self.let_down.saturating_add(1);
        }
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
                let is_stranger = links.get(peer).is_some_and(Link::is_stranger);
                self.conduct.on_fruitless(ctx.now, peer, ctx.config.tick, is_stranger);
            }
        }
    }

    /// A run of ours is gone.
    pub(crate) fn on_run_lost(&mut self, run: RunIndex) {
        self.missing = self.missing.saturating_add(self.wants(run).into());
    }

    /// This run is not wanted any more. `was_held` says whether it was here.
    pub(crate) fn give_up(&mut self, run: RunIndex, was_held: bool) {
        if !was_held {
            self.missing = self.missing.saturating_sub(self.wants(run).into());
        }
        self.wanted.get_or_insert_with(|| RunSet::full(self.layout.runs())).remove(run);
    }

    /// The disk has no room, or has again. What is in flight will fail by itself.
    pub(crate) fn set_disk_full(&mut self, full: bool) {
        self.disk_full = full;
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let wanted = self.wanted.as_ref().map_or(0, |wanted| size_of_val(wanted.words()));
        let parts = [
            self.groups.heap_bytes(),
            self.availability.heap_bytes(),
            self.requests.heap_bytes(),
            self.conduct.heap_bytes(),
        ];
        parts.into_iter().chain([size_of::<Download>(), wanted]).sum()
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

/// The run to ask a neighbour beyond the border of a group for.
fn pick_within(
    group: &Group,
    link: &Link,
    sight: &mut Sight<'_>,
    cursor: u32,
) -> Option<std::ops::Range<u32>> {
    let pick = |sight: &Sight<'_>| sight.pick(cursor).map(only);
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

/// This run and no other, as numbers.
fn only(run: RunIndex) -> std::ops::Range<u32> {
    run.get()..run.get().saturating_add(1)
}

fn mean_run_bytes(layout: &Layout) -> u32 {
    crate::saturate::to_u32(layout.bytes().div_ceil(u64::from(layout.runs().max(1))).max(1))
}
