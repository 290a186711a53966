//! How much each neighbour delivers, how much it is therefore asked for, and who delivers too little to count as a holder.

use super::Download;
use crate::{
    config::Config,
    content::{layout::RunIndex, run_set::RunSet},
    context::Context,
    id::PeerKey,
    links::{
        inflow::Inflow,
        peers::{Link, Links},
    },
    origin::rule::{Allowance, LATE_RATIO, LATE_SECONDS},
};

/// Round trips for which requests to a neighbour last, beyond the usual time.
const TRIPS_AHEAD: f32 = 2.0;
/// Requests of small runs are many: as many bytes as this may always be asked for ahead.
const AHEAD_BYTES_MIN: u64 = 4 << 20;
/// Who takes so many seconds for a run is late however slow the origins are: anybody may say that it is one.
const LATE_SECONDS_MAX: f32 = 30.0;
/// Asked of a stranger at once, before a run of its has verified: names cost nothing, and each may lie once.
const STRANGER_BYTES_MAX: u32 = crate::content::layout::RUN_BYTES_MAX;
/// Of a small content, this part of its runs at most.
const STRANGER_SHARE: u32 = 128;
/// A neighbour from which nothing came for some time brings at most so many runs in such a time. Arrivals are uneven, so
/// this is more than one.
const QUIET_SLACK: f32 = 1.0;
/// Asked of a web seed to begin with.
const SERVER_BYTES_START: u32 = 2 << 20;

impl Download {
    /// Takes the rates of the time since the last look, and sets how much each may have in flight.
    pub(crate) fn rate(&mut self, ctx: &mut Context<'_>, links: &mut Links) {
        let seconds = ctx.now.since(self.rated).as_secs_f32();
        if seconds < 0.05 {
            return;
        }
        self.rated = ctx.now;
        let (min, start) = (f32::from(ctx.config.requests.least), ctx.config.requests.start);
        let max = f32::from(depth_max(ctx.config, self.run_bytes));
        let (stranger, to_server) = (self.depth_of_stranger(), f32::from(self.depth_to_server()));
        let came = |links: &Links, origin: bool| {
            let of_kind = links.iter().filter(|link| link.is_origin() == origin);
            let asked = of_kind.filter(|link| link.in_flight > 0 || !link.inflow.is_empty());
            asked.map(|link| link.inflow.bytes()).reduce(|sum, bytes| sum + bytes)
        };
        let left = self.missing as f32 * self.run_bytes as f32;
        let (peers, origins) = (came(links, false).unwrap_or(0.0), came(links, true));
        for link in links.iter_mut() {
            if link.in_flight == 0 && link.inflow.is_empty() {
                link.inflow = Inflow::default();
                continue;
            }
            link.rate = rate_after(link, seconds, self.run_bytes);
            link.inflow.end_tick();
            // An answer takes a round trip to come, and the next request one to go: whoever is far away
            // is asked for as much more.
            let trips = TRIPS_AHEAD * self.trips.of(link.peer).as_secs_f32();
            let horizon = ctx.config.requests.horizon.as_secs_f32() + trips;
            let ahead = link.rate * horizon / self.run_bytes as f32;
            // Its rate is low because of our pauses. Were it asked for less because of that, it would become lower still.
            let min = if link.is_web_seed() && link.wants_few_requests() { to_server.min(max) } else { min };
            link.depth = match link.rate > 0.0 {
                true => crate::saturate::to_u8(crate::saturate::whole((ahead.ceil() + 1.0).clamp(min, max))),
                false if link.is_web_seed() => start,
                false => stranger,
            };
        }
        let shown = self.shown_by_origins(links);
        self.origin.on_rates(ctx.now, seconds, (peers, origins), shown, left);
    }

    /// What the origins that are linked have shown that they bring, in bytes a second; none while one was not tried that
    /// could be. Anybody may say that it is an origin: a slow one says nothing about another, and who is gone brings nothing.
    fn shown_by_origins(&self, links: &Links) -> Option<f32> {
        let origins = || links.iter().filter(|link| link.is_origin());
        let is_untried = |link: &Link| {
            let is_ready = !link.is_choking_us() && !link.is_late() && !self.conduct.is_fruitless(link.peer);
            link.is_stranger() && link.in_flight == 0 && is_ready
        };
        match origins().any(is_untried) {
            true => None,
            false => Some(origins().map(|link| link.rate).sum()),
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
        let share = unshared.checked_div(others.saturating_add(1)).unwrap_or(0);
        let share = crate::saturate::to_u8(share.max(1));
        for link in links.iter_mut().filter(|link| link.is_web_seed()) {
            link.depth = link.depth.min(share);
        }
    }

    /// Finds out who is late, and who no longer is; and whether peers are too slow to wait for.
    pub(crate) fn judge(&mut self, ctx: &mut Context<'_>, links: &mut Links) {
        self.requests.pass_tick();
        let late_seconds = self.late_seconds(links);
        self.late_after = late_seconds;
        // Requests are in order of age: the first found of a peer is its oldest.
        let late: Vec<PeerKey> = self
            .requests
            .iter()
            .take_while(|request| request.age(ctx.now) > late_seconds)
            .map(|request| request.peer)
            .collect();
        for link in links.iter_mut().filter(|link| !link.is_web_seed()) {
            let keeps_up = link.rate * late_seconds >= self.run_bytes as f32;
            let serves = !link.is_choking_us() && !self.conduct.is_fruitless(link.peer);
            // An origin may say that a run is elsewhere, in a large crowd again and again: it is late only by what lies with it.
            let keeps_waiting = !link.is_origin()
                && self.conduct.keeps_waiting(ctx.now, link.peer, serves, link.interests_us());
            let counts = !link.is_origin();
            if !link.is_late() && (keeps_waiting || !keeps_up && late.contains(&link.peer)) {
                if let Some(theirs) = ctx.map(link.peer).filter(|_| counts) {
                    self.availability.subtract_all(theirs);
                }
                link.set_late(true);
                self.let_down = self.let_down.saturating_add(u8::from(link.is_stranger()));
            } else if link.is_late() && keeps_up && !keeps_waiting {
                if let Some(theirs) = ctx.map(link.peer).filter(|_| counts) {
                    self.availability.add_all(theirs);
                }
                link.set_late(false);
            }
        }
    }

    /// Who takes longer for a run is late: longer than the fastest neighbour by far. Where all are slow, as an origin is
    /// there that is slow itself, nobody is late so soon.
    fn late_seconds(&self, links: &Links) -> f32 {
        let rated = || links.iter().filter(|link| link.rate >= 1.0);
        let fastest = rated().map(|link| link.seconds_to_answer(self.run_bytes)).reduce(f32::min);
        let by_rate = fastest.filter(|_| rated().any(Link::is_origin)).unwrap_or(0.0);
        (LATE_RATIO * by_rate).clamp(LATE_SECONDS, LATE_SECONDS_MAX)
    }

    /// Requests to somebody who has not given anything yet: one, or as many small ones as make up a large one, but no more
    /// than a small part of a small content.
    pub(crate) fn depth_of_stranger(&self) -> u8 {
        let runs = STRANGER_BYTES_MAX.checked_div(self.run_bytes).unwrap_or(STRANGER_BYTES_MAX);
        let share = self.layout.runs() / STRANGER_SHARE;
        crate::saturate::to_u8(runs.min(share).max(1))
    }

    /// Requests to somebody whose rate is not known, after its first run.
    pub(super) fn depth_start(&self, configured: u8) -> u8 {
        let quarter = u32::from(configured).saturating_mul(crate::content::layout::RUN_BYTES_MAX / 4);
        configured.max(crate::saturate::to_u8(quarter.checked_div(self.run_bytes).unwrap_or(0).min(64)))
    }

    /// Requests to a web seed to begin with: large ones for each of the few connections to it.
    pub(crate) fn depth_to_server(&self) -> u8 {
        crate::saturate::to_u8(SERVER_BYTES_START.checked_div(self.run_bytes).unwrap_or(0).clamp(2, 64))
    }
}

/// A neighbour's rate after a tick in which something was due from it.
///
/// What came is spread over the time since the last arrival, not over the tick: whoever brings a run
/// every two seconds would else look like a fast neighbour in one tick of eight, and like none in
/// the others. While nothing comes, less than a run came in all that time.
fn rate_after(link: &Link, tick_seconds: f32, run_bytes: u32) -> f32 {
    let passed = (f32::from(link.inflow.quiet()) + 1.0) * tick_seconds;
    match (link.rate, link.inflow.bytes()) {
        (rate, 0.0) => rate.min(QUIET_SLACK * run_bytes as f32 / passed),
        (0.0, came) => came / passed,
        (rate, came) => (rate + came / passed) / 2.0,
    }
}

/// Requests in flight to one neighbour at most: of small runs more, but not more than it holds for us,
/// with a margin for those it has sent and not yet counted as sent. What is refused halves the depth.
fn depth_max(config: &Config, run_bytes: u32) -> u8 {
    let small_runs = AHEAD_BYTES_MIN.checked_div(run_bytes.into()).unwrap_or(0);
    let held = u64::from(config.upload.queued_max).saturating_mul(3) / 4;
    config.requests.most.max(crate::saturate::to_u8(small_runs.min(held)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_small_runs_are_asked_for_than_a_neighbour_holds() {
        let config = Config::default();
        assert_eq!(depth_max(&config, 256 << 10), config.requests.most);
        assert_eq!(depth_max(&config, 32 << 10), 96, "of 128 that would be 4 MiB");
        assert!((1..1 << 18).all(|bytes| depth_max(&config, bytes) < config.upload.queued_max));
    }
}
