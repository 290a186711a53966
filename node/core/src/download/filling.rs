//! What each neighbour is asked for next, and how much at a time; and whether it interests us at all.

use std::ops::Range;

use super::Download;
use crate::{
    content::{held::Held, layout::RunIndex, run_set::RunSet},
    context::Context,
    download::{haste::is_for_reader, picker::Sight},
    id::PeerKey,
    input::Via,
    links::{
        conduct::RUNS_PER_REPEAT,
        group::Group,
        peers::{Link, Links},
    },
    message::Message,
    origin::rule::Allowance,
    output::{Action, Why},
    reasons::{Reasons, TakenBack},
};

/// Requests open to a neighbour outside whose uplink is idle: one that is answered, and one that waits.
const IN_FLIGHT_TO_IDLE_MAX: u8 = 2;

impl Download {
    /// Whether we want this run and do not hold it.
    pub(crate) fn lacks(&self, run: RunIndex, have: &RunSet) -> bool {
        !have.contains(run) && self.wants(run)
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
            let Some((runs, why)) = self.next_runs(ctx, links, have, link, dialing) else { return };
            if runs.len() > usize::from(u8::MAX.saturating_sub(link.in_flight)) {
                return;
            }
            // Whom the user named is asked at once, whatever others behind its address did.
            let is_trial = link.is_stranger() && link.in_flight == 0 && link.via() != Via::Named;
            if is_trial && !link.is_web_seed() && !ctx.strikes.may_try(ctx.now, ctx.maps, peer) {
                return;
            }
            let is_near =
                self.deadlines.as_ref().is_some_and(|it| it.window().contains(RunIndex::new(runs.start)));
            match link.is_web_seed() {
                true => self.pieces.go_on_from(runs.end),
                // Where a reader is, others read, too: what is for anybody is looked for elsewhere.
                false if is_near => {}
                false => self.cursor = runs.end,
            }
            for run in runs.map(RunIndex::new).filter(|&run| !have.contains(run)) {
                // Taken over, if it was asked of somebody slow.
                let reason = match Reasons::COUNTS && self.requests.busy().contains(run) {
                    true => self.why_taken(ctx.now, links, run),
                    false => TakenBack::Overdue,
                };
                let owner = match why {
                    Why::Late => self.rescue(ctx, links, run),
                    _ => self.withdraw(ctx, links, run, reason),
                };
                if let Some(owner) = owner {
                    self.on_robbed(ctx, links, owner);
                }
                self.request(ctx, links, peer, run, why);
            }
        }
    }

    /// The runs to ask a neighbour for next, and why; none if there are none for now.
    fn next_runs(
        &mut self,
        ctx: &mut Context<'_>,
        links: &Links,
        have: &RunSet,
        link: &Link,
        dialing: bool,
    ) -> Option<(Range<u32>, Why)> {
        let theirs = ctx.map(link.peer)?;
        // What a reader needs soon waits for no turn, and for nobody who is being dialled.
        let due = self.next_due(ctx, links, have, link, theirs);
        if let Some(due) = due.and_then(|due| self.whole(link, due)) {
            return Some(due);
        }
        let is_read = self.deadlines.as_ref().is_some_and(|it| it.is_read());
        let allowance = match link.is_origin() {
            // What peers do not bring in time is topped up: that is enough, however slow they are.
            true if is_read => self.origin.allowance(ctx.now, dialing).at_most(Allowance::Unshared),
            true => self.origin.allowance(ctx.now, dialing),
            false => Allowance::All,
        };
        let gate = self.groups.gate(link).filter(|_| !self.is_endgame());
        let is_early = gate.is_none() && link.is_outside() && self.origin.is_early(ctx.now, dialing);
        if allowance == Allowance::Nothing || is_early && !link.is_origin() && ctx.config.nearness.tiers {
            return None;
        }
        let picked = self.pick(ctx, have, link, theirs, allowance);
        if picked.is_some() || is_read && link.is_origin() {
            return picked;
        }
        // A coin, because everybody hears of a new holder at once: half of those who wait
        // elsewhere move over, and so a new run spreads by doubling.
        if ctx.random.below(2) == 0 {
            return None;
        }
        let run = self.slowest_request(ctx.now, links, theirs, link)?;
        let runs = match link.is_web_seed() {
            true => self.layout.piece_runs(self.layout.run(run).piece),
            false => only(run),
        };
        Some((runs, Why::TakenOver))
    }

    /// The run to ask a neighbour outside for whose uplink is idle: rather one that our group lacks.
    fn pick_from_idle(&self, link: &Link, sight: &Sight<'_>) -> Option<(Range<u32>, Why)> {
        let has_room = |_: &&Group| link.in_flight < IN_FLIGHT_TO_IDLE_MAX;
        let group = self.groups.takes_from_idle(link, sight.theirs).filter(has_room)?;
        let lacking = Sight { shut: Some(group.here()), ..*sight };
        let run = lacking.pick(self.cursor).or_else(|| sight.pick(self.cursor))?;
        Some((only(run), Why::Idle))
    }

    /// A run that is due, as what is asked for: web seeds give whole pieces, and only those of which nothing is on its way.
    fn whole(&self, link: &Link, (run, why): (RunIndex, Why)) -> Option<(Range<u32>, Why)> {
        if !link.is_web_seed() {
            return Some((only(run), why));
        }
        let runs = self.layout.piece_runs(self.layout.run(run).piece);
        let is_free = |run| !self.requests.busy().contains(RunIndex::new(run));
        runs.clone().all(is_free).then_some((runs, why))
    }

    /// What to ask a neighbour for that was asked of nobody yet. What readers need comes first, but for a part of the
    /// requests.
    fn pick(
        &mut self,
        ctx: &mut Context<'_>,
        have: &RunSet,
        link: &Link,
        theirs: Held<'_>,
        allowance: Allowance,
    ) -> Option<(Range<u32>, Why)> {
        let group = self.groups.gate(link);
        let gate = group.filter(|_| !self.is_endgame());
        let mut sight = Sight {
            theirs,
            mine: have,
            busy: self.requests.busy(),
            wanted: self.wanted.as_ref(),
            availability: &self.availability,
            unshared_only: allowance == Allowance::Unshared,
            open: None,
            shut: None,
            within: None,
        };
        let read = self.deadlines.as_deref().filter(|it| it.is_read());
        // What peers have, however slow they are, an origin only tops up.
        let (near, anywhere) = match read {
            Some(it) if link.is_origin() => (Some(it.alone_near()), Some(it.alone())),
            Some(it) => (Some(it.window()), None),
            None => (None, None),
        };
        let anywhere = (anywhere, self.cursor);
        let passes = match read {
            Some(it) if !it.is_for_anything() => [Some((near, it.front(ctx.now))), Some(anywhere)],
            _ => [Some(anywhere), None],
        };
        for (pass, (within, cursor)) in passes.into_iter().flatten().enumerate() {
            sight.within = within;
            let picked = match (link.is_web_seed(), gate) {
                (true, _) => {
                    let picked = self.pieces.pick(&self.layout, &sight, ctx.random);
                    picked.map(|runs| (runs, Why::Piece))
                }
                (false, Some(group)) => {
                    pick_within(group, link, &mut sight, cursor).or_else(|| self.pick_from_idle(link, &sight))
                }
                (false, None) => {
                    let why = match (group, sight.unshared_only) {
                        (Some(_), _) => Why::Endgame,
                        (None, true) => Why::Unshared,
                        (None, false) => Why::Rarest,
                    };
                    sight.pick(cursor).map(|run| (only(run), why))
                }
            };
            if picked.is_some() {
                return picked;
            }
            let window = read.filter(|_| pass == 0 && link.is_origin() && self.may_top_up(false));
            if let Some((window, front)) = window.map(|it| (it.window(), it.front(ctx.now))) {
                let topped_up = Sight { unshared_only: false, within: Some(window), ..sight };
                if let Some(run) = topped_up.first_from(front) {
                    return self.whole(link, (run, Why::TopUp));
                }
            }
        }
        None
    }

    fn request(&mut self, ctx: &mut Context<'_>, links: &mut Links, peer: PeerKey, run: RunIndex, why: Why) {
        let Some(link) = links.get_mut(peer) else { return };
        link.in_flight = link.in_flight.saturating_add(1);
        // What only an origin has it gives once by itself, and nobody else can have begun with it.
        if !link.is_origin() || self.availability.of(run) > 0 {
            self.groups.on_request(link, run);
        }
        if why == Why::Idle {
            self.groups.on_taken_from_idle();
        }
        let steers = self.may_steer(peer) && !is_for_reader(why);
        let exact = link.is_origin() && !link.is_web_seed() && !steers;
        if let Some(link) = links.get(peer) {
            self.note_for_readers(ctx.now, link, run, why);
        }
        let request = self.requests.open(ctx.now, peer, run);
        ctx.put(Action::Request { peer, request, run, exact, why });
    }

    /// Whether an origin may answer with another run than it is asked for. Two that are honest and know nothing of each other
    /// may send the same one, so nobody is blamed for that; but anybody may say that it is an origin.
    fn may_steer(&self, peer: PeerKey) -> bool {
        let repeats_max = crate::saturate::to_u16(self.layout.runs() / RUNS_PER_REPEAT).max(1);
        self.repeats < repeats_max && self.conduct.may_steer(peer)
    }
}

/// The run to ask a neighbour beyond the border of a group for, and why.
fn pick_within(group: &Group, link: &Link, sight: &mut Sight<'_>, cursor: u32) -> Option<(Range<u32>, Why)> {
    let pick = |sight: &Sight<'_>, why| sight.pick(cursor).map(|run| (only(run), why));
    if link.is_origin() {
        // What only origins have is nobody's turn.
        let spared = std::mem::replace(&mut sight.unshared_only, true);
        let unshared = pick(&Sight { shut: Some(group.here()), ..*sight }, Why::Unshared);
        sight.unshared_only = spared;
        if unshared.is_some() || spared {
            return unshared;
        }
    }
    pick(&Sight { open: Some(group.open()), ..*sight }, Why::Turn)
}

/// This run and no other, as numbers.
fn only(run: RunIndex) -> Range<u32> {
    run.get()..run.get().saturating_add(1)
}
