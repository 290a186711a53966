//! Giving one content: which neighbours are served, and with what.
//!
//! Invariant: at most `upload_slots` neighbours are unchoked. New requests of a choked neighbour
//! are refused; requests accepted before are still served.

mod choker;
pub(crate) mod offers;
pub mod queue;
pub(crate) mod slots;
mod trials;

use crate::{
    config::Config,
    content::{held::Held, layout::RunIndex, run_set::RunSet},
    context::Context,
    id::{PeerKey, UploadId},
    links::{
        availability::Availability,
        dealings,
        peers::{Link, Links},
    },
    message::{Message, Refusal},
    origin::steering::{Answer, Steering, Wish},
    output::Action,
    place::{locality::Locality, tier::Tier},
    time::Timestamp,
    upload::{choker::Round, trials::Trials},
    view::View,
};

/// Windows in a minute.
const WINDOWS_A_MINUTE: u16 = 15;
/// The bit of `window` that says that a neighbour gave way in that window.
const WAY_GIVEN: u16 = 1 << 15;

/// A number of slots. It limits nothing until quotas are dealt out.
#[derive(Clone, Copy, Debug)]
struct Quota(u16);

impl Default for Quota {
    fn default() -> Quota {
        Quota(slots::UNLIMITED)
    }
}

/// What we gave of one content, and which neighbours get it now.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// Number of unchoked neighbours.
    pub(crate) unchoked: u16,
    /// Number of neighbours that want something.
    interested: u16,
    /// Slots that were given and not used yet.
    trials: Trials,
    /// Slots this content may use while all contents together want more than there are.
    quota: Quota,
    /// The window in which neighbours last grew idler, and whether one gave way in it.
    window: u16,
    /// In bytes: payload sent.
    pub(crate) bytes: u64,
    /// Origins only: when each run was sent, and how many neighbours hold it.
    steering: Option<Box<(Steering, Availability)>>,
}

/// The group that a neighbour of an origin is in: its local network, else its AS, else its /16
/// (IPv6: /32).
fn group_of(maps: &dyn View, link: &Link, ours: Locality) -> u64 {
    let near = maps.location(link.peer).near.unwrap_or(link.candidate(ours).near);
    match (near.tier(), near.asn) {
        (Tier::Lan, _) => 0,
        (_, Some(asn)) => 1 << 32 | u64::from(asn.0),
        (_, None) => 2 << 32 | u64::from(maps.location(link.peer).network.wide()),
    }
}

/// Whether the neighbour holds a slot and gives nothing.
fn is_unused(link: &Link) -> bool {
    !link.is_choked() && link.given == 0
}

/// Whether such a neighbour has taken nothing in this round, and waits for nothing.
fn took_nothing(link: &Link) -> bool {
    is_unused(link) && link.sent == 0 && link.uploads == 0
}

fn interested(links: &Links) -> impl Iterator<Item = PeerKey> + '_ {
    links.iter().filter(|link| link.is_interested()).map(|link| link.peer)
}

/// Decides anew which neighbours an origin trusts to pass on what they get. What the others hold is
/// as good as not there. Returns the neighbours to serve last, sorted.
fn book_judged(
    ctx: &Context<'_>,
    (steering, availability): &mut (Steering, Availability),
    links: &Links,
    slots: usize,
) -> Vec<PeerKey> {
    let peers: Vec<PeerKey> = interested(links).collect();
    let (last, changed) = steering.judge(ctx.now, &peers, slots, availability, ctx.config);
    // What another origin holds is not in the book, trusted or not.
    let booked = |peer: PeerKey| links.get(peer).is_some_and(|link| !link.is_origin());
    for peer in changed.into_iter().filter(|&peer| booked(peer)) {
        let Some(theirs) = ctx.map(peer) else { continue };
        match steering.is_trusted(peer) {
            true => availability.add_all(theirs),
            false => availability.subtract_all(theirs),
        }
    }
    last
}

impl Upload {
    /// Slots this content may use now.
    fn slots(&self, ctx: &Context<'_>) -> usize {
        let free = (ctx.slots_free as usize).saturating_add(self.unchoked.into());
        usize::from(ctx.config.upload.slots).min(usize::from(self.quota.0)).min(free)
    }

    /// Slots this content could use.
    pub(crate) fn demand(&self, config: &Config) -> u16 {
        self.interested.min(config.upload.slots)
    }

    /// Sets how many slots this content may use. Returns whether that calls for a round: a
    /// neighbour must be choked, or may be served.
    pub(crate) fn set_quota(&mut self, quota: u16, config: &Config) -> bool {
        self.quota = Quota(quota);
        self.unchoked != quota.min(self.demand(config))
    }

    /// Makes neighbours one step more idle, once in each window. Returns whether a minute has
    /// passed as well.
    pub(crate) fn pass_window(&mut self, now: Timestamp, links: &mut Links, seeding: bool) -> bool {
        let window = dealings::window(now);
        if self.window & !WAY_GIVEN == window & !WAY_GIVEN {
            return false;
        }
        self.window = window & !WAY_GIVEN;
        links.iter_mut().for_each(|link| link.pass_window(window, seeding));
        window.is_multiple_of(WINDOWS_A_MINUTE)
    }

    /// Whether a neighbour may be dropped for a new one: once in a window.
    pub(crate) fn may_give_way(&self) -> bool {
        self.window & WAY_GIVEN == 0
    }

    pub(crate) fn note_way_given(&mut self) {
        self.window |= WAY_GIVEN;
    }

    /// A neighbour is new. An origin keeps its book from the first neighbour on.
    pub(crate) fn on_linked(&mut self, ctx: &Context<'_>, runs: u32, theirs: Option<Held<'_>>) {
        if !ctx.config.is_origin {
            return;
        }
        let fresh = || Box::new((Steering::new(ctx.now, runs, ctx.locality.tag), Availability::new(runs)));
        let (_, availability) = &mut **self.steering.get_or_insert_with(fresh);
        if let Some(theirs) = theirs {
            availability.add_all(theirs);
        }
    }

    /// A neighbour holds more runs.
    pub(crate) fn on_have(&mut self, peer: PeerKey, runs: &[RunIndex]) {
        if let Some(steering) = self.steering.as_mut().filter(|book| book.0.is_trusted(peer)) {
            runs.iter().for_each(|&run| steering.1.add(run));
        }
    }

    /// A neighbour lost runs.
    pub(crate) fn on_lost(&mut self, peer: PeerKey, runs: &[RunIndex]) {
        if let Some(steering) = self.steering.as_mut().filter(|book| book.0.is_trusted(peer)) {
            runs.iter().for_each(|&run| steering.1.subtract(run));
        }
    }

    /// A neighbour is gone. With the last neighbour the origin's book is closed.
    pub(crate) fn on_unlinked(&mut self, link: &Link, theirs: Option<Held<'_>>, last: bool) {
        self.unchoked = self.unchoked.saturating_sub((!link.is_choked()).into());
        self.interested = self.interested.saturating_sub(link.is_interested().into());
        self.trials.end(link.peer);
        if last {
            self.steering = None;
        } else if let Some(steering) = &mut self.steering {
            let (steering, availability) = &mut **steering;
            let counted = theirs.filter(|_| steering.is_trusted(link.peer));
            counted.into_iter().for_each(|theirs| availability.subtract_all(theirs));
            steering.on_unlinked(link.peer, availability);
        }
    }

    /// A neighbour wants something, or no longer does.
    pub(crate) fn on_interest(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        peer: PeerKey,
        (interested, seeding): (bool, bool),
    ) {
        let slots = self.slots(ctx);
        let Some(link) = links.get_mut(peer) else { return };
        let others = self.interested.saturating_sub(link.is_interested().into());
        self.interested = others.saturating_add(interested.into());
        link.set_interested(interested);
        match (interested, link.is_choked()) {
            (true, true) if usize::from(self.unchoked) < slots => self.set_choked(ctx, links, peer, false),
            (true, true) => {
                if links.get(peer).is_some_and(Link::is_in_use) {
                    self.trials.wait(peer);
                }
                self.pass_unused(ctx, links, seeding);
                if !seeding && links.get(peer).is_some_and(Link::is_choked) {
                    // The next round comes soon enough.
                    self.trials.end(peer);
                }
            }
            (false, false) => self.set_choked(ctx, links, peer, true),
            (false, true) => self.trials.end(peer),
            (true, false) => {}
        }
    }

    /// Passes slots that nobody uses on to the neighbours that wait.
    pub(crate) fn pass_unused(&mut self, ctx: &mut Context<'_>, links: &mut Links, seeding: bool) {
        // A request made before the slot was given is a use of the slot, too.
        let at_work = |&peer: &PeerKey| !links.get(peer).is_some_and(took_nothing);
        let at_work: Vec<PeerKey> = self.trials.failed(ctx.now).filter(at_work).collect();
        at_work.into_iter().for_each(|peer| self.trials.end(peer));
        while let Some(next) = self.trials.next()
            && let Some(unused) = self.unused(ctx.now, links, seeding)
        {
            if let Some(link) = links.get_mut(unused) {
                link.count_unused();
            }
            ctx.strikes.note_idle(ctx.now, ctx.maps, unused);
            self.set_choked(ctx, links, unused, true);
            if usize::from(self.unchoked) < self.slots(ctx) {
                self.set_choked(ctx, links, next, false);
            }
        }
    }

    /// When unused slots are to be passed on next. [`Timestamp::NEVER`]: no neighbour waits for
    /// one, or no slot is unused.
    pub(crate) fn unused_due(&self) -> Timestamp {
        self.trials.due()
    }

    /// A neighbour that holds a slot, does nothing with it, and gives nothing either. It held slots
    /// before and never used them or, while we only give, it had a moment to ask for something. A
    /// leecher's neighbours may be busy with others.
    pub(crate) fn unused(&self, now: Timestamp, links: &Links, seeding: bool) -> Option<PeerKey> {
        let mut failed = self.trials.failed(now).filter(|&peer| links.get(peer).is_some_and(took_nothing));
        let stuck = || links.iter().find(|link| is_unused(link) && link.is_stuck()).map(|link| link.peer);
        if seeding { failed.next().or_else(stuck) } else { stuck() }
    }

    /// A neighbour of a seed whose place in a full table another peer may have. It came to us, and
    /// does not use slots, whether it still holds one or not.
    pub(crate) fn useless(&self, ctx: &Context<'_>, links: &Links) -> Option<PeerKey> {
        let came = |link: &&Link| !link.is_chosen();
        let is_known_for_it = |link: &Link| ctx.strikes.is_idle(ctx.now, ctx.maps, link.peer);
        let unused = self.unused(ctx.now, links, true).and_then(|peer| links.get(peer)).filter(came);
        let useless = || {
            let mut all = links.iter().filter(came).filter(|link| link.does_nothing());
            all.find(|link| link.is_stuck() || is_known_for_it(link))
        };
        unused.or_else(useless).map(|link| link.peer)
    }

    fn set_choked(&mut self, ctx: &mut Context<'_>, links: &mut Links, peer: PeerKey, choked: bool) {
        let Some(link) = links.get_mut(peer) else { return };
        link.set_choked(choked);
        self.unchoked =
            if choked { self.unchoked.saturating_sub(1) } else { self.unchoked.saturating_add(1) };
        self.tell(ctx, peer, choked);
    }

    fn tell(&mut self, ctx: &mut Context<'_>, peer: PeerKey, choked: bool) {
        if choked {
            self.trials.end(peer);
            ctx.send(peer, Message::Choke);
        } else {
            self.trials.begin(ctx.now, peer);
            ctx.send(peer, Message::Unchoke);
        }
    }

    /// Gives free slots to neighbours that wait for one. A neighbour that holds a slot keeps it
    /// until the next round: else a peer that comes and goes would end the turns of all others
    /// again and again.
    pub(crate) fn fill(&mut self, ctx: &mut Context<'_>, links: &mut Links, seeding: bool) {
        let free = self.slots(ctx).saturating_sub(self.unchoked.into());
        if free == 0 {
            return;
        }
        let by_nearness = ctx.config.nearness.tiers && ctx.locality.asn.is_none();
        let round = Round { slots: free, seeding, by_nearness, last: &[] };
        for peer in choker::waiting(links, round, ctx.random).into_iter().take(free) {
            self.set_choked(ctx, links, peer, false);
        }
    }

    /// Decides anew which neighbours to serve.
    pub(crate) fn round(&mut self, ctx: &mut Context<'_>, links: &mut Links, seeding: bool) {
        let slots = self.slots(ctx);
        let before: Vec<(PeerKey, bool)> = links.iter().map(|link| (link.peer, link.is_choked())).collect();
        let ours = ctx.locality;
        let last = match &mut self.steering {
            Some(book) => book_judged(ctx, book, links, slots),
            None => Vec::new(),
        };
        let by_nearness = ctx.config.nearness.tiers && ours.asn.is_none();
        let round = Round { slots, seeding, by_nearness, last: &last };
        let maps = ctx.maps;
        let group_of = |link: &Link| group_of(maps, link, ours);
        let groups: Option<&dyn Fn(&Link) -> u64> = ctx.config.is_origin.then_some(&group_of);
        self.unchoked = crate::saturate::to_u16(choker::round(links, round, groups, ctx.config, ctx.random));
        for (peer, was_choked) in before {
            let choked = links.get(peer).is_some_and(Link::is_choked);
            if choked != was_choked {
                self.tell(ctx, peer, choked);
            }
        }
    }

    /// A neighbour asks for a run. The flag in `wanted`: no other run will do.
    pub(crate) fn on_wanted(
        &mut self,
        ctx: &mut Context<'_>,
        links: &mut Links,
        have: &RunSet,
        (peer, upload): (PeerKey, UploadId),
        wanted: (RunIndex, bool),
    ) {
        if links.get(peer).is_none() {
            return;
        }
        self.trials.end(peer);
        match self.decide(ctx, links, have, peer, wanted) {
            Ok(run) => {
                if let Some(link) = links.get_mut(peer) {
                    link.uploads = link.uploads.saturating_add(1);
                }
                ctx.put(Action::Serve { peer, upload, run });
            }
            Err(why) => ctx.put(Action::Refuse { peer, upload, why }),
        }
    }

    fn decide(
        &mut self,
        ctx: &Context<'_>,
        links: &Links,
        have: &RunSet,
        peer: PeerKey,
        (run, exact): (RunIndex, bool),
    ) -> Result<RunIndex, Refusal> {
        let link = links.get(peer).ok_or(Refusal::Choked)?;
        if link.is_choked() {
            return Err(Refusal::Choked);
        }
        if !have.contains(run) {
            return Err(Refusal::Missing);
        }
        if link.uploads >= ctx.config.upload.queued_max {
            return Err(Refusal::Busy);
        }
        let Some(steering) = &mut self.steering else {
            return Ok(run);
        };
        let (steering, availability) = &mut **steering;
        // A neighbour that had a slot and asked for nothing makes no crowd: it has nothing to pass
        // on, and will have nothing.
        let is_at_work = |link: &&Link| {
            let has_slot = link.is_interested() && !link.is_choked() && link.is_in_use();
            link.peer != peer && has_slot && !self.trials.has_failed(ctx.now, link.peer)
        };
        let crowd = links.iter().any(|link| is_at_work(&link));
        let wish = Wish { peer, run, exact };
        match steering.answer(ctx.now, wish, ctx.map(peer), availability, crowd, ctx.config) {
            Answer::Serve(other) if have.contains(other) => Ok(other),
            Answer::Serve(_) => Ok(run),
            Answer::Elsewhere => Err(Refusal::Elsewhere),
        }
    }

    /// An accepted upload ended.
    pub(crate) fn on_ended(
        &mut self,
        now: Timestamp,
        links: &mut Links,
        peer: PeerKey,
        run: RunIndex,
        bytes: u32,
    ) {
        self.bytes = self.bytes.saturating_add(bytes.into());
        match (&mut self.steering, bytes) {
            (Some(steering), 0) => steering.0.on_unsent(run),
            (Some(steering), _) => steering.0.on_delivered(now, peer, run),
            (None, _) => {}
        }
        if let Some(link) = links.get_mut(peer) {
            link.uploads = link.uploads.saturating_sub(1);
            link.note_taken(bytes);
        }
    }

    /// Asserts that all counts equal a recount.
    ///
    /// # Panics
    /// If a count differs.
    pub(crate) fn check<'a>(&self, links: &Links, held: &impl Fn(PeerKey) -> Option<Held<'a>>) {
        let unchoked = links.iter().filter(|link| !link.is_choked()).count();
        assert_eq!(usize::from(self.unchoked), unchoked, "neighbours unchoked");
        assert_eq!(usize::from(self.interested), interested(links).count(), "neighbours interested");
        if let Some((steering, availability)) = self.steering.as_deref() {
            let mut recount = Availability::new(availability.runs());
            let trusted = links.iter().filter(|link| !link.is_origin() && steering.is_trusted(link.peer));
            trusted.filter_map(|link| held(link.peer)).for_each(|theirs| recount.add_all(theirs));
            availability.check(&recount);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let steering = self.steering.as_ref();
        let steering =
            steering.map_or(0, |book| [book.0.heap_bytes(), book.1.heap_bytes(), 64].into_iter().sum());
        self.trials.heap_bytes().saturating_add(steering)
    }
}
