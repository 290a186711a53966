use super::{
    waits::{BELIEF_TICKS, WAIT_TICKS},
    *,
};

const RUNS: u32 = 64;

fn layout() -> Layout {
    Layout::new(256 << 10, [u64::from(RUNS) * (256 << 10)]).unwrap()
}

fn run(index: u32) -> RunIndex {
    RunIndex::new(index)
}

fn all() -> RunSet {
    RunSet::full(RUNS)
}

/// One tick: every run is available outside, and members hold `inside`.
fn tick(group: &mut Group, ranks: &Ranks, inside: &RunSet) {
    group.survey(Survey {
        ranks,
        mine: &RunSet::empty(RUNS),
        inside: inside.clone(),
        served: inside,
        slots: 0,
        beyond: &all(),
        mean: 0,
        came: 0,
    });
}

fn ranks(layout: &Layout, own: u32, members: &[u32]) -> Ranks {
    let others: Vec<u32> = members.iter().copied().filter(|&tag| tag != own).collect();
    Ranks::new(own, others, &[], 0, 1.0, layout)
}

#[test]
fn every_run_is_the_turn_of_exactly_one_member_and_they_share_evenly() {
    let (layout, tags) = (layout(), [11, 22, 33, 44]);
    let mut turns = vec![0; RUNS as usize];
    for own in tags {
        let mut group = Group::new(RUNS);
        tick(&mut group, &ranks(&layout, own, &tags), &RunSet::empty(RUNS));
        assert!((6..=28).contains(&group.open().count()), "{} of 64 runs", group.open().count());
        group.open().iter().for_each(|run| turns[run.get() as usize] += 1);
    }
    assert!(turns.iter().all(|&turns| turns == 1), "{turns:?}");
}

#[test]
fn a_run_that_nobody_brings_is_the_next_ones_turn_after_each_wait() {
    let (layout, tags) = (layout(), [11, 22, 33, 44]);
    let ranks = ranks(&layout, 11, &tags);
    let mut group = Group::new(RUNS);
    let mut open = Vec::new();
    for _ in 0..4 * WAIT_TICKS {
        tick(&mut group, &ranks, &RunSet::empty(RUNS));
        open.push(group.open().count());
    }
    assert!(open.is_sorted() && open[0] < 32, "{open:?}");
    assert_eq!(open.last(), Some(&RUNS), "after three waits all are ours");
}

#[test]
fn what_a_member_has_or_announces_is_not_imported() {
    let (layout, tags) = (layout(), [11, 22]);
    let ranks = ranks(&layout, 11, &tags);
    let mut group = Group::new(RUNS);
    let nothing = RunSet::empty(RUNS);
    tick(&mut group, &ranks, &nothing);
    let ours: Vec<RunIndex> = group.open().iter().collect();
    assert!(group.on_announced(ours[0]) && !group.open().contains(ours[0]));
    assert!(!group.on_announced(ours[0]), "once is enough");
    assert!(group.on_inside(ours[1]) && !group.open().contains(ours[1]));
    let mut inside = nothing.clone();
    inside.insert(ours[1]);
    tick(&mut group, &ranks, &inside);
    assert!(!group.open().contains(ours[0]) && !group.open().contains(ours[1]));
    assert!(group.here().contains(ours[0]) && group.here().contains(ours[1]));
    assert!(group.open().contains(ours[2]));
}

#[test]
fn who_announces_and_does_not_bring_is_believed_once() {
    let (layout, tags) = (layout(), [11, 22]);
    let ranks = ranks(&layout, 11, &tags);
    let mut group = Group::new(RUNS);
    let nothing = RunSet::empty(RUNS);
    tick(&mut group, &ranks, &nothing);
    let ours = group.open().iter().next().unwrap();
    assert!(group.on_announced(ours));
    let mut ticks = 0;
    while !group.open().contains(ours) {
        tick(&mut group, &ranks, &nothing);
        ticks += 1;
    }
    assert_eq!(ticks, u32::from(BELIEF_TICKS));
    assert!(!group.on_announced(ours), "it had its chance");
    assert!(group.open().contains(ours));
}

#[test]
fn in_a_large_group_about_one_of_all_members_imports_a_run() {
    let layout = layout();
    let mut turns = 0;
    for own in 0..300 {
        // Each member knows thirty of three hundred.
        let others: Vec<u32> = (0..30).map(|other| 1_000 + other).collect();
        let ranks = Ranks::new(mix(own) as u32, others, &[], 300, 1.0, &layout);
        assert!(ranks.is_large());
        turns += (0..RUNS).filter(|&index| ranks.waits(run(index)) == Some(0)).count();
    }
    let each = turns as f64 / f64::from(RUNS);
    assert!((0.8..1.2).contains(&each), "{each:.2} importers a run");
}

#[test]
fn a_directory_that_counts_too_many_or_names_members_that_are_none_holds_up_imports_for_six_seconds_at_most()
{
    let layout = layout();
    let strangers: Vec<u32> = (1_000..1_200).collect();
    for (counted, known) in [(1 << 30, &[][..]), (u32::MAX, &[]), (0, &strangers), (u32::MAX, &strangers)] {
        let tags = [11, 22, 33];
        let mut groups: Vec<(u32, Group)> = tags.map(|own| (own, Group::new(RUNS))).into();
        let mut open = RunSet::empty(RUNS);
        let mut ticks = 0;
        while open.count() < RUNS * 9 / 10 {
            for (own, group) in &mut groups {
                let others = tags.iter().copied().filter(|tag| tag != own).collect();
                let ranks = Ranks::new(*own, others, known, counted, 1.0, &layout);
                tick(group, &ranks, &RunSet::empty(RUNS));
                open.insert_all(group.open());
            }
            ticks += 1;
        }
        assert!(ticks <= 24, "{} of 64 runs are somebody's turn after {ticks} ticks", open.count());
    }
}

#[test]
fn a_slow_uplink_takes_fewer_turns() {
    let layout = layout();
    let turns = |share| {
        let ranks = Ranks::new(1, vec![2], &[], 0, share, &layout);
        (0..RUNS).filter(|&index| ranks.waits(run(index)) == Some(0)).count()
    };
    assert!(turns(0.25) * 2 < turns(1.0), "{} and {}", turns(0.25), turns(1.0));
}

/// A tick of a group whose average member holds so many runs.
fn tick_with_mean(group: &mut Group, ranks: &Ranks, mean: u32) {
    let none = RunSet::empty(RUNS);
    group.survey(Survey {
        ranks,
        mine: &none,
        inside: none.clone(),
        served: &none,
        slots: 0,
        beyond: &all(),
        mean,
        came: 0,
    });
}

#[test]
fn a_group_that_is_behind_takes_from_idle_uplinks_and_another_one_only_its_share() {
    let ranks = ranks(&layout(), 11, &[11, 22]);
    let mut group = Group::new(RUNS);
    tick_with_mean(&mut group, &ranks, 32);
    // A tenth of 64 runs, for two members.
    for _ in 0..3 {
        assert!(group.takes_from_idle(0), "a share of the content comes in like that in any case");
        group.on_taken_from_idle();
    }
    assert!(!group.takes_from_idle(32) && !group.takes_from_idle(38));
    assert!(group.takes_from_idle(39), "more than a tenth ahead of us");
    tick_with_mean(&mut group, &ranks, 58);
    assert!(!group.takes_from_idle(64), "we have nearly caught up");
}

#[test]
fn a_large_group_takes_nothing_from_idle_uplinks() {
    let mut group = Group::new(RUNS);
    let ranks = Ranks::new(11, (20..40).collect(), &[], 200, 1.0, &layout());
    assert!(ranks.is_large());
    tick_with_mean(&mut group, &ranks, 0);
    assert!(!group.takes_from_idle(RUNS));
}

/// Of so large a content a tick finds a tenth of all turns. Once all are found, they are what the
/// rule says of each run.
#[test]
fn in_a_large_content_turns_are_found_a_part_at_a_time_and_are_the_same() {
    const RUNS: u32 = 1 << 18;
    let (layout, tags) = (layout(), (1..=40).collect::<Vec<u32>>());
    let ranks = ranks(&layout, 11, &tags);
    let mut group = Group::new(RUNS);
    let (none, full) = (RunSet::empty(RUNS), RunSet::full(RUNS));
    let found = |group: &Group| {
        let words = 0..group.waits.words();
        RUNS as usize - words.map(|at| group.waits.without_turns(at, u64::MAX).count()).sum::<usize>()
    };
    for ticks in 1..=3 * WAIT_TICKS {
        group.survey(Survey {
            ranks: &ranks,
            mine: &none,
            inside: none.clone(),
            served: &none,
            slots: 0,
            beyond: &full,
            mean: 0,
            came: 1,
        });
        let affordable = usize::from(ticks) * (ranks.affordable() + 63);
        assert!(found(&group) <= affordable, "{} after {ticks} ticks", found(&group));
    }
    assert_eq!(found(&group), RUNS as usize);
    for run in (0..RUNS).map(run) {
        let is_our_turn = ranks.waits(run).is_some_and(|waits| waits <= 3);
        assert_eq!(group.open().contains(run), is_our_turn, "{run:?}");
    }
}
