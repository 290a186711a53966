use super::*;
use crate::yardstick::{Access, Swarm, Zipf, alone_share, kumar_ross, origin_share_min};

const MIB: u64 = 1 << 20;

/// One content of 100 MiB, one AS, links of 1 and 10 MiB/s, peers who come evenly.
fn setting() -> Setting {
    Setting {
        bytes: 100 * MIB,
        classes: Zipf { contents: 1, exponent: 1.0 }.classes(),
        ases: vec![AsClass { ases: 1, share: 1.0, access: vec![1.0] }],
        access: vec![AccessClass { up: MIB, down: 10 * MIB }],
        arrivals: Arrivals::Constant { rate: 1.0 },
        seeding_seconds: 50.0,
        abort: 0.0,
        origin: OriginRule { up: 10 * MIB, first_copy: 10 * MIB, tops_up: 0.0 },
        fit: Fit::ideal(),
        lasts: Duration::from_secs(3_000),
        step: Duration::from_millis(100),
        slice: Duration::from_secs(10),
    }
}

#[track_caller]
fn within(value: f64, wanted: f64, error_max: f64) {
    assert!((value / wanted - 1.0).abs() <= error_max, "{value} is not within {error_max} of {wanted}");
}

/// All bytes that were sent are with somebody, or were.
#[track_caller]
fn conserves(setting: &Setting, course: &Course) {
    let held: f64 = course.classes.iter().map(|class| class.held).sum();
    let totals = &course.totals;
    let kept = totals.completed * setting.bytes as f64 + held + totals.lost;
    within(totals.origin + totals.peers, kept, 1e-9);
    let last = course.timeline.last().unwrap();
    within(totals.came, totals.completed + totals.gave_up + last.leechers, 1e-9);
}

#[test]
fn a_steady_swarm_is_that_of_qiu_and_srikant() {
    let base = setting();
    for (seeding_seconds, effectiveness) in [(50.0, 1.0), (20.0, 0.8), (0.0, 0.9), (200.0, 1.0)] {
        let fit = Fit { effectiveness, ..Fit::ideal() };
        let step = Duration::from_millis(50);
        let setting = Setting { seeding_seconds, fit, step, ..base.clone() };
        let course = setting.run().unwrap();
        let steady = Swarm {
            arrivals: 1.0,
            up: 0.01,
            down: 0.1,
            abort: 0.0,
            leave: 1.0 / seeding_seconds,
            effectiveness,
        }
        .steady();
        let last = course.timeline.last().unwrap();
        within(last.leechers, steady.leechers, 0.01);
        if steady.seeds > 0.0 {
            within(last.seeds, steady.seeds, 0.01);
        }
        within(last.progress, 0.5, 0.01);
        within(course.completion_seconds.p50, steady.seconds, 0.02);
        conserves(&setting, &course);
    }
}

#[test]
fn time_does_not_depend_on_how_many_come() {
    let base = setting();
    let time = |rate| {
        let setting = Setting { arrivals: Arrivals::Constant { rate }, ..base.clone() };
        setting.run().unwrap().completion_seconds.p50
    };
    within(time(1_000.0), time(1.0), 0.02);
}

#[test]
fn the_tail_lives_of_the_origin_as_an_infinite_queue_says() {
    // Uplinks as fast as downlinks: who finds anybody needs no origin.
    let base = Setting { access: vec![AccessClass { up: 10 * MIB, down: 10 * MIB }], ..setting() };
    for rate in [0.0001, 0.001, 0.01, 0.03] {
        let setting = Setting {
            arrivals: Arrivals::Constant { rate },
            seeding_seconds: 90.0,
            lasts: Duration::from_secs(20_000),
            ..base.clone()
        };
        let course = setting.run().unwrap();
        // A download takes 10 s, so everybody is there for 100 s. At first nobody was there.
        let settled = &course.timeline[1_500..];
        let origin: f64 = settled.iter().map(|point| point.totals.origin).sum();
        let peers: f64 = settled.iter().map(|point| point.totals.peers).sum();
        within(origin / (origin + peers), alone_share(rate, 100.0), 0.01);
        conserves(&setting, &course);
    }
}

#[test]
fn a_catalogue_needs_no_less_of_the_origin_than_the_bound() {
    let zipf = Zipf { contents: 100_000, exponent: 1.0 };
    let setting = Setting {
        classes: zipf.classes(),
        access: vec![AccessClass { up: 10 * MIB, down: 10 * MIB }],
        origin: OriginRule { up: 1 << 50, first_copy: 10 * MIB, tops_up: 0.0 },
        seeding_seconds: 890.0,
        arrivals: Arrivals::Constant { rate: 10.0 },
        step: Duration::from_secs(1),
        lasts: Duration::from_secs(20_000),
        ..setting()
    };
    let course = setting.run().unwrap();
    let settled = &course.timeline[1_500..];
    let origin: f64 = settled.iter().map(|point| point.totals.origin).sum();
    let peers: f64 = settled.iter().map(|point| point.totals.peers).sum();
    let bound = origin_share_min(&setting.classes, 10.0, 900.0);
    within(origin / (origin + peers), bound, 0.02);
    let shares: Vec<f64> = course.classes.iter().map(|class| class.totals.origin_share()).collect();
    assert!(shares[0] < 0.01 && shares[shares.len() - 1] > 0.8, "{shares:?}");
    conserves(&setting, &course);
}

#[test]
fn a_crowd_is_done_at_the_bound_of_kumar_and_ross_and_never_before() {
    // The swarm of Bharambe and others.
    let (up, down, seed) = (400 * 128, 1_500 * 128, 6_000 * 128);
    let base = Setting {
        bytes: 102_400 << 10,
        access: vec![AccessClass { up, down }],
        arrivals: Arrivals::Flash { peers: 1_000.0, from: 0.0, over: 10.0 },
        seeding_seconds: 1e9,
        origin: OriginRule { up: seed, first_copy: seed, tops_up: 1.0 },
        lasts: Duration::from_secs(4_000),
        ..setting()
    };
    let leechers = vec![Access { up, down: Some(down) }; 1_000];
    let bound = kumar_ross(base.bytes, &[seed], &leechers).seconds();
    let course = base.run().unwrap();
    within(course.completion_seconds.last, bound, 0.01);
    within(course.totals.completed, 1_000.0, 1e-6);
    conserves(&base, &course);
    let poor = Setting { fit: Fit { effectiveness: 0.9, ..Fit::ideal() }, ..base.clone() };
    let course = poor.run().unwrap();
    within(course.completion_seconds.last, bound / 0.9, 0.02);

    // A slow origin: nobody is done before it has sent each byte once.
    let slow = OriginRule { up: up / 8, first_copy: up / 8, tops_up: 1.0 };
    let course = Setting { origin: slow, lasts: Duration::from_secs(30_000), ..base.clone() }.run().unwrap();
    let bound = kumar_ross(base.bytes, &[up / 8], &leechers);
    assert!(course.completion_seconds.p50 >= bound.seeds * 0.99, "{:?} {bound:?}", course.completion_seconds);
    within(course.completion_seconds.last, bound.seconds(), 0.01);
}

#[test]
fn a_group_imports_one_copy_at_best_and_a_lone_member_a_whole_one() {
    let spread = AsClass { ases: 1, share: 0.5, access: vec![1.0] };
    let setting = Setting {
        ases: vec![spread.clone(), AsClass { ases: 1_000_000, ..spread }],
        arrivals: Arrivals::Flash { peers: 1_000.0, from: 0.0, over: 0.0 },
        seeding_seconds: 1e9,
        origin: OriginRule { up: 1 << 40, first_copy: 10 * MIB, tops_up: 0.0 },
        ..setting()
    };
    let course = setting.run().unwrap();
    let copies = course.totals.imports / setting.bytes as f64;
    // One copy for the 500 in one AS, and one each for the 500 in ASes of their own.
    within(copies, 501.0, 0.01);
    let origin = course.totals.origin / setting.bytes as f64;
    within(origin, 1.0, 0.05);
}

#[test]
fn those_who_give_up_lose_what_they_had() {
    let setting = Setting { abort: 0.005, ..setting() };
    let course = setting.run().unwrap();
    conserves(&setting, &course);
    let totals = &course.totals;
    assert!(totals.gave_up > 100.0 && totals.lost > 0.0);
}

#[test]
fn a_day_has_its_peak_in_the_afternoon_of_its_arrivals() {
    let arrivals = Arrivals::Diurnal { mean: 1.0, swing: 0.5, period: 86_400.0 };
    let setting = Setting {
        arrivals,
        lasts: Duration::from_secs(86_400),
        step: Duration::from_secs(1),
        slice: Duration::from_secs(600),
        ..setting()
    };
    let course = setting.run().unwrap();
    let peak = course.timeline.iter().max_by(|a, b| a.leechers.total_cmp(&b.leechers)).unwrap();
    within(peak.at, 43_200.0, 0.05);
    assert_eq!(course.timeline.len(), 144);
    assert_eq!(course, setting.run().unwrap());
}

#[test]
fn a_setting_without_sense_is_refused() {
    let base = setting();
    let refused = |setting: Setting| setting.run().unwrap_err();
    assert_eq!(refused(Setting { classes: Vec::new(), ..base.clone() }), SettingError::Empty);
    let ases = vec![AsClass { ases: 1, share: 1.0, access: Vec::new() }];
    assert_eq!(refused(Setting { ases, ..base.clone() }), SettingError::Spread(0));
    let classes = vec![Class { first: 1, contents: 1, share: 0.5 }];
    assert!(matches!(refused(Setting { classes, ..base.clone() }), SettingError::Shares(_)));
    let fit = Fit { effectiveness: 1.1, ..Fit::ideal() };
    assert_eq!(refused(Setting { fit, ..base.clone() }), SettingError::Effectiveness);
    assert_eq!(refused(Setting { step: Duration::ZERO, ..base }), SettingError::Step);
}
