//! What is due soon: whom it is asked of, and what is taken over because it would come too late.
//!
//! Without readers nothing here does anything.

use std::time::Duration;

use super::{Download, deadline::Deadlines, requests::Request};
use crate::{
    content::{held::Held, layout::RunIndex, run_set::RunSet},
    context::Context,
    id::{PeerKey, ReaderId},
    input::Reading,
    links::peers::{Link, Links},
    output::Why,
    reasons::TakenBack,
    stats::Streaming,
    time::Timestamp,
};

/// What is due within so many seconds is urgent, and also what is due within this many times the
/// time that a neighbour takes for an answer.
const URGENT_SECONDS: f32 = 2.0;
const URGENT_ANSWERS: f32 = 2.0;
/// But nothing is urgent that is due later, however slow a neighbour is: viewers who all take what comes next have nothing
/// to give to each other.
const URGENT_SECONDS_MAX: f32 = 10.0;
/// Somebody who has not given anything yet is expected to take so many seconds.
const STRANGER_SECONDS: f32 = 2.0;
/// A run is taken over if it would come so many seconds too late, after it was asked for so long.
const TOO_LATE_SECONDS: f32 = 0.25;
/// And by whoever brings it in this part of the time.
const RESCUE_RATIO: f32 = 1.5;

impl Download {
    /// A reader is there now, or gone. Returns whether they came to a place of which nothing was expected: then more may
    /// be asked for at once.
    pub(crate) fn on_reader(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        have: &RunSet,
        id: ReaderId,
        reading: Option<Reading>,
    ) -> bool {
        if reading.is_some_and(|reading| reading.at.get() >= self.layout.runs()) {
            return false;
        }
        let new = || Box::new(Deadlines::new(ctx.now, self.layout.runs(), self.layout.run_bytes()));
        let deadlines = match reading {
            Some(_) => self.deadlines.get_or_insert_with(new),
            None => match &mut self.deadlines {
                Some(deadlines) => deadlines,
                None => return false,
            },
        };
        let jumped = deadlines.on_reader(ctx.now, id, reading, have);
        if jumped {
            deadlines.on_shared(&shared(ctx, links, have.runs()));
            self.make_way(ctx, links);
        }
        jumped
    }

    /// What only waits at neighbours, and nobody reads soon, is taken back: else it would come before what is read.
    fn make_way(&mut self, ctx: &mut Context<'_>, links: &mut Links) {
        let Some(deadlines) = &self.deadlines else { return };
        let waits = |it: &&Request| !it.is_coming() && !deadlines.window().contains(it.run);
        let waiting: Vec<RunIndex> = self.requests.iter().filter(waits).map(|it| it.run).collect();
        for run in waiting {
            self.withdraw(ctx, links, run, TakenBack::Jumped);
        }
    }

    /// A tick has passed for readers.
    pub(crate) fn look_at_readers(&mut self, ctx: &Context<'_>, links: &Links, have: &RunSet) {
        let Some(deadlines) = &mut self.deadlines else { return };
        deadlines.pass_tick(ctx.now, have);
        if deadlines.is_read() {
            deadlines.on_shared(&shared(ctx, links, have.runs()));
        }
    }

    /// How reading goes. `None`: nobody reads.
    pub(crate) fn streaming(&self, now: Timestamp) -> Option<Streaming> {
        self.deadlines.as_ref().map(|deadlines| deadlines.streaming(now))
    }

    /// A run that was new came from beyond our borders. Returns whether it came out of turn, for a reader.
    pub(crate) fn take_late_import(&mut self, run: RunIndex) -> bool {
        self.deadlines.as_mut().is_some_and(|deadlines| deadlines.take_late_import(run))
    }

    /// What to ask a neighbour for because a reader needs it soon: what is due first and nobody else is surer to bring in
    /// time.
    pub(super) fn next_due(
        &self,
        ctx: &Context<'_>,
        links: &Links,
        have: &RunSet,
        link: &Link,
        theirs: Held<'_>,
    ) -> Option<(RunIndex, Why)> {
        let deadlines = self.deadlines.as_deref()?;
        let mine = self.expected(link);
        let within = URGENT_SECONDS.max(URGENT_ANSWERS * mine).min(URGENT_SECONDS_MAX);
        for (due, run) in deadlines.urgent(ctx.now, Duration::from_secs_f32(within)) {
            // What only origins have is asked of them as ever.
            let is_topped_up = link.is_origin() && !deadlines.alone().contains(run);
            if !theirs.contains(run) || !self.lacks(run, have) || is_topped_up && !self.may_top_up(true) {
                continue;
            }
            let due = due.as_secs_f32();
            let asked = self.requests.busy().contains(run);
            let request = self.requests.iter().find(|request| asked && request.run == run);
            match request {
                None if !self.is_left(ctx, links, link, run, due) => return Some((run, Why::Due)),
                Some(request) if self.rescues(ctx.now, links, link, request, due) => {
                    return Some((run, Why::Late));
                }
                _ => {}
            }
        }
        None
    }

    /// Whether an origin may be asked for a run that peers have.
    pub(super) fn may_top_up(&self, urgent: bool) -> bool {
        self.deadlines.as_ref().is_some_and(|deadlines| deadlines.may_top_up(self.run_bytes, urgent))
    }

    /// Seconds that a neighbour takes for one more run.
    fn expected(&self, link: &Link) -> f32 {
        let trip = self.trips.of(link.peer).as_secs_f32();
        match link.rate < 1.0 {
            true => STRANGER_SECONDS + trip,
            false => link.seconds_to_answer(self.run_bytes) + trip,
        }
    }

    /// Whether a run is left to a neighbour that is surer to bring it in time.
    fn is_left(&self, ctx: &Context<'_>, links: &Links, link: &Link, run: RunIndex, due: f32) -> bool {
        let mine = self.expected(link);
        let has_room = |it: &Link| {
            it.has_room()
                && it.in_flight < self.conduct.in_flight_max(it.peer)
                && !self.conduct.is_paused(ctx.now, it.peer)
        };
        let may = |it: &Link| !it.is_origin() || self.may_top_up(true);
        let holds = |it: &Link| ctx.map(it.peer).is_some_and(|held| held.contains(run));
        let ready =
            |it: &&Link| it.peer != link.peer && !it.is_late() && has_room(it) && may(it) && holds(it);
        let mut others = links.iter().filter(ready);
        match mine <= due {
            true if link.is_origin() => {
                others.any(|it| !it.is_origin() && !it.is_stranger() && self.expected(it) <= due)
            }
            true => false,
            false => others.any(|it| self.expected(it) < mine),
        }
    }

    /// Whether a neighbour takes over a run that would come too late.
    fn rescues(&self, now: Timestamp, links: &Links, thief: &Link, request: &Request, due: f32) -> bool {
        let is_young = request.age(now) < TOO_LATE_SECONDS;
        if request.peer == thief.peer || is_young || thief.is_late() || self.conduct.is_fruitless(thief.peer)
        {
            return false;
        }
        let comes = self.comes_in(now, links, request);
        comes > due + TOO_LATE_SECONDS && self.expected(thief) * RESCUE_RATIO < comes
    }

    /// Seconds until the answer to a request is here, as far as can be said.
    fn comes_in(&self, now: Timestamp, links: &Links, request: &Request) -> f32 {
        let Some(owner) = links.get(request.peer) else { return f32::MAX };
        let age = request.age(now);
        if owner.rate < 1.0 {
            return (STRANGER_SECONDS - age).max(age);
        }
        let each = self.run_bytes as f32 / owner.rate;
        if request.is_coming() {
            // It cannot be called back, and is half here on average.
            return each / 2.0;
        }
        let before = self.requests.iter().take_while(|it| it.id != request.id);
        let before = before.filter(|it| it.peer == request.peer).count();
        (before as f32 + 1.0) * each
    }

    /// Takes a run over that would come too late. Returns whom it was asked of. What has begun to come, or comes before
    /// our word is there, cannot be called back: whichever answer is first counts, and the other is wasted.
    pub(super) fn rescue(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        run: RunIndex,
    ) -> Option<PeerKey> {
        let request = *self.requests.iter().find(|request| request.run == run)?;
        let deadlines = self.deadlines.as_mut()?;
        let due = deadlines.due(ctx.now, run).unwrap_or(Duration::MAX);
        let doubled = request.is_coming() || due <= self.trips.of(request.peer);
        deadlines.note_rescue(doubled);
        self.withdraw(ctx, links, run, TakenBack::Due)
    }

    /// A request goes out: counts it for those who read.
    pub(super) fn note_for_readers(&mut self, now: Timestamp, link: &Link, run: RunIndex, why: Why) {
        let Some(deadlines) = &mut self.deadlines else { return };
        let shared = !deadlines.alone().contains(run);
        let in_turn = self.groups.gate(link).is_none_or(|group| group.open().contains(run));
        if is_for_reader(why) && !in_turn && (shared || !link.is_origin()) {
            deadlines.note_late_import(run);
        }
        if link.is_origin() && deadlines.window().contains(run) {
            deadlines.top_up().on_asked(self.run_bytes, shared);
        }
        deadlines.on_request(now, run);
    }
}

/// What peers have, also those that are late.
fn shared(ctx: &Context<'_>, links: &Links, runs: u32) -> RunSet {
    let mut shared = RunSet::empty(runs);
    let peers = links.iter().filter(|link| !link.is_origin());
    for held in peers.filter_map(|link| ctx.map(link.peer)) {
        shared.insert_words(|at| held.word(at));
    }
    shared
}

/// Whether a run is asked for because a reader needs it: then it and no other will do.
pub(super) fn is_for_reader(why: Why) -> bool {
    matches!(why, Why::Due | Why::Late | Why::TopUp)
}
