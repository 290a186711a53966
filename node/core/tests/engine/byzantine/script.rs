//! Turns bytes into a story: where the download takes place, which byzantine neighbours there are,
//! and what they do of their own accord.
//!
//! A few bytes say what the neighbours are and how each answers requests. The rest are deeds, done
//! one after another and then all over again, so that a short story is a lasting attack.

use std::time::Duration;

/// The most byzantine neighbours.
const NEIGHBOURS_MAX: usize = 5;
/// Bytes that describe a neighbour, and bytes that describe a deed.
const HABIT_BYTES: usize = 6;
const DEED_BYTES: usize = 4;
/// The most deeds in one round; more deeds find nothing that fewer do not.
const DEEDS_MAX: usize = 48;

/// Where the honest runs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An origin has everything.
    Origin,
    /// A peer has everything.
    Peer,
    /// Each of two peers has every other run; together they have everything.
    Halves,
    /// An origin has everything, and a peer has every other run.
    OriginAndHalf,
}

/// Where a download takes place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) source: Source,
    /// We know our AS, and the sources are in another AS.
    pub(crate) abroad: bool,
    /// The manifest is not known yet.
    pub(crate) bare: bool,
    /// We hear of the sources a second later than of the other neighbours, and have to dial them.
    pub(crate) late: bool,
    /// The sources go after four seconds, and are back at their addresses a second later.
    pub(crate) restarts: bool,
    /// The sources go and do not come back, so the download has to end by itself.
    pub(crate) forsaken: bool,
}

impl Scene {
    pub(crate) const COUNT: usize = 128;

    pub(crate) fn of(byte: u8) -> Scene {
        let source = [Source::Origin, Source::Peer, Source::Halves, Source::OriginAndHalf];
        Scene {
            source: source[usize::from(byte & 3)],
            abroad: byte & 4 != 0,
            bare: byte & 8 != 0,
            late: byte & 16 != 0,
            restarts: byte & 32 != 0,
            forsaken: byte & 64 != 0,
        }
    }
}

/// Where a neighbour is, seen from us.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Inside,
    Lan,
    Abroad,
    Unknown,
}

/// How a neighbour answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    Silence,
    Choked,
    Missing,
    Busy,
    Elsewhere,
    /// The run that was asked for.
    Honest,
    /// The run asked for, and the same run again under the same number.
    Twice,
    /// Another run under this number.
    Other,
    /// A run that we hold, under this number.
    Held,
    Corrupt,
    /// The run, and then the message that it lost the run.
    Forgets,
    /// It chokes us, and says nothing else.
    Chokes,
    HangsUp,
    /// The run, under a number that no request has.
    Misnumbered,
    /// The run that another request asked for.
    Crossed,
    /// Bytes now and then, and never a run.
    Drips,
}

const REACTIONS: [Reaction; 16] = [
    Reaction::Silence,
    Reaction::Choked,
    Reaction::Missing,
    Reaction::Busy,
    Reaction::Elsewhere,
    Reaction::Honest,
    Reaction::Twice,
    Reaction::Other,
    Reaction::Held,
    Reaction::Corrupt,
    Reaction::Forgets,
    Reaction::Chokes,
    Reaction::HangsUp,
    Reaction::Misnumbered,
    Reaction::Crossed,
    Reaction::Drips,
];

/// What a byzantine neighbour says it is, and how it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    pub(crate) origin: bool,
    pub(crate) directory: bool,
    pub(crate) manifest: bool,
    /// It links before the sources do.
    pub(crate) first: bool,
    pub(crate) place: Place,
    /// Whenever its link ends it comes back, under another name if it was banned.
    pub(crate) returns: bool,
    /// It unchokes us from the start.
    pub(crate) unchokes: bool,
    /// The runs it says it holds: a pattern of eight runs, repeated.
    pub(crate) map: u8,
    reactions: [Reaction; 2],
    /// Which of the two reactions comes: one bit per request, over and over.
    turns: u8,
    pub(crate) delay: Duration,
    /// It answers one request after another, each after the delay.
    pub(crate) in_turn: bool,
    pub(crate) run: u8,
}

impl Habit {
    fn of(&[claims, map, reactions, turns, delay, run]: &[u8; HABIT_BYTES]) -> Habit {
        let is = |bit: u8| claims >> bit & 1 == 1;
        let reaction = |number: u8| REACTIONS[usize::from(number & 15)];
        Habit {
            origin: is(0),
            directory: is(1),
            manifest: is(2),
            first: !is(3),
            place: [Place::Inside, Place::Lan, Place::Abroad, Place::Unknown][usize::from(claims >> 4 & 3)],
            returns: is(6),
            unchokes: !is(7),
            map: !map,
            reactions: [reaction(reactions), reaction(reactions >> 4)],
            turns,
            delay: delay_of(delay),
            in_turn: run & 0x80 != 0,
            run,
        }
    }

    /// How it reacts to the request of this number.
    pub(crate) fn reaction(&self, request: u32) -> Reaction {
        self.reactions[usize::from(self.turns >> (request % 8) & 1)]
    }
}

/// What a neighbour does unasked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Have,
    HaveAll,
    Lost,
    LostAll,
    Interested,
    Choke,
    Unchoke,
    /// It says that it imports one run, or everything.
    Importing,
    ImportingAll,
    /// A run that we did not ask for, under any number.
    Unasked,
    /// The answer to its last request once more.
    Replay,
    /// A refusal of a request that we did not make.
    UnaskedRefusal,
    /// Names of peers that do not exist.
    Exchange,
    /// As a directory: a count, a pause, names, or no answer.
    Count,
    Pause,
    Names,
    NoAnswer,
    /// It asks us for a run.
    Want,
    Link,
    HangUp,
    /// A byte of some run.
    Byte,
    /// It fails our request for the manifest, or answers it with false data.
    NoManifest,
    Nothing,
    /// Names of peers that do not exist, all at the address of one victim.
    Victim,
    /// A false address of an honest source.
    Misplace,
    /// It comes under another name the next time, or from another address.
    Rename,
    Move,
}

const DEEDS: [Deed; 23] = [
    Deed::Have,
    Deed::HaveAll,
    Deed::Lost,
    Deed::LostAll,
    Deed::Interested,
    Deed::Choke,
    Deed::Unchoke,
    Deed::Importing,
    Deed::ImportingAll,
    Deed::Unasked,
    Deed::Replay,
    Deed::UnaskedRefusal,
    Deed::Exchange,
    Deed::Count,
    Deed::Pause,
    Deed::Names,
    Deed::NoAnswer,
    Deed::Want,
    Deed::Link,
    Deed::HangUp,
    Deed::Byte,
    Deed::NoManifest,
    Deed::Nothing,
];

/// Codes from this one on mean rare deeds.
const RARE_DEEDS_FROM: u8 = 230;
const RARE_DEEDS: [Deed; 4] = [Deed::Victim, Deed::Misplace, Deed::Rename, Deed::Move];

fn deed_of(code: u8) -> Deed {
    match code.checked_sub(RARE_DEEDS_FROM) {
        Some(rare) => RARE_DEEDS[usize::from(rare) % RARE_DEEDS.len()],
        None => DEEDS[usize::from(code) % DEEDS.len()],
    }
}

/// One deed: what it is, which neighbour does it, what it is about, and how long after the one
/// before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) deed: Deed,
    pub(crate) who: usize,
    pub(crate) number: u8,
    pub(crate) delay: Duration,
}

/// From one millisecond to sixteen seconds, in finer steps where it is short.
fn delay_of(code: u8) -> Duration {
    Duration::from_millis((u64::from(code & 15) + 1) << (code >> 4).min(10))
}

/// Everything that is decided beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) scene: Scene,
    pub(crate) seed: u64,
    pub(crate) habits: Vec<Habit>,
    pub(crate) steps: Vec<Step>,
}

impl Story {
    /// Reads a story. Any bytes are a story if they suffice for its neighbours; otherwise `None`.
    pub(crate) fn read(bytes: &[u8]) -> Option<Story> {
        let ([scene, seed, count], rest) = bytes.split_first_chunk()?;
        let count = usize::from(*count) % NEIGHBOURS_MAX + 1;
        let (habits, rest) = rest.split_at_checked(count * HABIT_BYTES)?;
        let step = |&[deed, who, number, delay]: &[u8; DEED_BYTES]| Step {
            deed: deed_of(deed),
            who: usize::from(who) % count,
            number,
            delay: delay_of(delay),
        };
        Some(Story {
            scene: Scene::of(*scene),
            seed: u64::from(*seed),
            habits: habits.as_chunks().0.iter().map(Habit::of).collect(),
            steps: rest.as_chunks().0.iter().take(DEEDS_MAX).map(step).collect(),
        })
    }

    /// The same download with honest peers only.
    pub(crate) fn undisturbed(scene: Scene) -> Story {
        Story { scene, seed: 1, habits: Vec::new(), steps: Vec::new() }
    }
}
