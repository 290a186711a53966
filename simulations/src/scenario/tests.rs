use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![1..u64::MAX, (1..1_000_u64).prop_map(|m| m << 20), (1..1_000_u64).prop_map(|k| k * 1_000)]
        .prop_map(Bytes)
}

fn rates() -> impl Strategy<Value = Rates> {
    prop_oneof![
        Just(Rates::Unlimited),
        prop::collection::vec(bytes(), 1..4).prop_map(Rates::InTurn),
        (bytes(), bytes()).prop_map(|(least, most)| Rates::Between(least, most)),
        (bytes(), bytes()).prop_map(|(least, most)| Rates::LogBetween(least, most)),
    ]
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![any::<u32>().prop_map(Amount::Count), (0.0..=100.0).prop_map(Amount::Percent)]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<u32>().prop_map(f64::from), 0.0..1e3, prop::num::f64::NORMAL]
}

fn parts() -> impl Strategy<Value = Scenario> {
    let network = (any::<bool>(), number(), any::<String>(), any::<u32>());
    let sources = (any::<u32>(), bytes(), prop::option::of(number()));
    let arrivals = (0..4_usize, number(), amount(), any::<bool>());
    let sessions = (0..5_usize, number(), any::<bool>());
    let expect = (any::<bool>(), prop::option::of(number()), prop::option::of(number()));
    (network, sources, arrivals, sessions, expect).prop_map(
        |(network, sources, arrivals, sessions, expect)| {
            let mut scenario = Scenario::default();
            let (is_internet, latency, access, together) = network;
            scenario.network.model = if is_internet { Delays::Internet } else { Delays::Flat };
            (scenario.network.latency_ms, scenario.network.access) = (latency, access);
            scenario.network.together = together;
            (scenario.origins.count, scenario.origins.up, scenario.origins.die_at_seconds) = sources;
            let kinds = [Coming::Together, Coming::Over, Coming::Poisson, Coming::Diurnal];
            scenario.arrivals.kind = kinds[arrivals.0];
            (scenario.arrivals.rate, scenario.arrivals.early) = (arrivals.1, arrivals.2);
            scenario.arrivals.hold = if arrivals.3 { Holding::AllButOne } else { Holding::Nothing };
            scenario.sessions.done =
                [Done::Stay, Done::Leave, Done::Linger, Done::Upload, Done::Download][sessions.0];
            scenario.sessions.linger_seconds = sessions.1;
            scenario.sessions.lengths = if sessions.2 { Lengths::Exponential } else { Lengths::Fixed };
            scenario.expect.everybody_finishes = expect.0;
            (scenario.expect.imports_max, scenario.expect.last_over_bound_max) = (expect.1, expect.2);
            scenario
        },
    )
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let texts = (any::<String>(), any::<String>(), any::<u32>(), any::<u32>());
    let links = (rates(), rates(), prop::collection::vec(any::<u32>(), 0..5), amount(), any::<bool>());
    let policy = (0..1_000_u16, 0.0..1_f32, any::<bool>());
    (parts(), texts, links, policy).prop_map(|(parts, texts, links, policy)| {
        let mut scenario = parts;
        (scenario.name, scenario.about, scenario.peers, scenario.runs) = texts;
        (
            scenario.uplinks,
            scenario.downlinks,
            scenario.groups.sizes,
            scenario.actors.riders,
            scenario.exchange,
        ) = links;
        scenario.policy.set("links.wanted", &policy.0.to_string()).unwrap();
        scenario.policy.set("links.random_share", &policy.1.to_string()).unwrap();
        scenario.policy.set("nearness.tiers", &policy.2.to_string()).unwrap();
        scenario
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_listed_settings_make_an_equal_scenario(scenario in scenario()) {
        let options = scenario.options();
        prop_assert_eq!(Scenario::from_options(&options), Ok(scenario.clone()));
        // Commas in a value are in quotes or brackets, so that a sweep takes it for one value.
        for (name, value) in options {
            let sweep = sweep::Sweep::parse(&[format!("{name}={value}")], "1").unwrap();
            prop_assert_eq!(&sweep.axes[0].1, &[value]);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = Scenario::parse(&text);
        let _ = Scenario::default().set(&text);
        let _ = Scenario::default().set_to("about", &text);
    }
}

#[test]
fn a_text_says_only_what_matters_to_it() {
    assert_eq!(Scenario::parse("").unwrap(), Scenario::default());
    assert_eq!(Scenario::default().validate(), Ok(()));
    let text = "
        peers = 24
        uplinks = \"4MiB..16MiB\"
        downlinks = 125000
        policy.links.wanted = 20
        [groups]
        sizes = [12, 6, 4, 2]
        [arrivals]
        kind = \"poisson\"
        rate = 2
        [expect]
        imports_max = 1.3
    ";
    let scenario = Scenario::parse(text).unwrap();
    assert_eq!(scenario.validate(), Ok(()));
    assert_eq!(scenario.uplinks, Rates::Between(Bytes(4 << 20), Bytes(16 << 20)));
    assert_eq!(scenario.downlinks, Rates::each(125_000));
    assert_eq!((scenario.arrivals.kind, scenario.arrivals.rate), (Coming::Poisson, 2.0));
    assert_eq!((scenario.expect.imports_max, scenario.expect.origin_copies_max), (Some(1.3), None));
    assert_eq!(scenario.policy.config().links.wanted, 20);
}

#[test]
fn what_is_wrong_in_a_text_is_said_with_its_place() {
    let error = |text: &str| Scenario::parse(text).unwrap_err().to_string();
    let unknown = error("peers = 3\n  uplinsk = \"1M\"\n");
    assert!(unknown.starts_with("line 2, column 3: unknown field `uplinsk`"), "{unknown}");
    assert!(unknown.ends_with("(did you mean `uplinks`?)"), "{unknown}");
    let wrong = error("peers = 3\n[network]\nloss = \"ten\"\n");
    assert!(wrong.starts_with("line 3, column 8: "), "{wrong}");
    let rates = error("uplinks = \"fast\"");
    assert!(rates.starts_with("line 1, column 11: `fast` names no rates"), "{rates}");
    assert!(error("peers = = 3").starts_with("line 1, column "), "{}", error("peers = = 3"));
    let policy = error("[policy]\n\"links.wnated\" = 3");
    assert!(policy.contains("did you mean `policy.links.wanted`?"), "{policy}");
}

#[test]
fn any_setting_is_set_by_its_name() {
    let mut scenario = Scenario::default();
    for assignment in [
        "peers=100",
        " runs = 8 ",
        "uplinks=log 100k..10M",
        "downlinks=125000",
        "network.latency_ms=20",
        "groups.sizes=[3, 4]",
        "actors.riders=25%",
        "expect.imports_max=1.5",
        "exchange=false",
        "policy.links.wanted=20",
        "name=42",
    ] {
        scenario.set(assignment).unwrap_or_else(|error| panic!("{assignment}: {error}"));
    }
    let options = scenario.options();
    let shown = |name: &str| options[name].as_str();
    assert_eq!((shown("peers"), shown("runs"), shown("name")), ("100", "8", "42"));
    assert_eq!((shown("uplinks"), shown("downlinks")), ("log 100k..10M", "125k"));
    assert_eq!((shown("groups.sizes"), shown("actors.riders")), ("[3, 4]", "25%"));
    assert_eq!((shown("expect.imports_max"), shown("policy.links.wanted")), ("1.5", "20"));
    scenario.set("expect.imports_max=none").unwrap();
    assert_eq!(scenario.expect.imports_max, None);
}

#[test]
fn a_setting_that_is_none_or_a_value_that_does_not_do_changes_nothing() {
    let mut scenario = Scenario::default();
    let mut error = |assignment: &str| scenario.set(assignment).unwrap_err().to_string();
    let unknown = error("network.latancy_ms=3");
    assert!(unknown.contains("(did you mean `network.latency_ms`?)"), "{unknown}");
    assert!(unknown.contains("known are network.access, network.latency_ms"), "{unknown}");
    assert!(error("pears=3").contains("did you mean `peers`?"));
    assert!(error("peers=many").contains("cannot be `many`"));
    assert!(error("peers=-1").contains("cannot be `-1`"));
    assert!(error("peers").contains("is not a setting: NAME=VALUE"));
    assert!(error("network=3").contains("it is a group of settings: `network.access`"));
    assert!(error("policy=3").contains("it is a group"));
    assert!(error("policy.links=3").contains("there is no setting"));
    assert!(error("finding=telepathy").contains("unknown variant"));
    assert_eq!(scenario, Scenario::default());
}

#[test]
fn what_does_not_go_together_is_said_in_plain_words() {
    let cases: BTreeMap<&str, &str> = BTreeMap::from([
        ("peers=0", "`peers` must be 1 to 10000000"),
        ("name=Crowd", "`name` must be of the letters a to z, digits and hyphens"),
        ("run_bytes=100k", "`run_bytes` must be a power of two from 16KiB to 256KiB"),
        ("uplinks=unlimited", "`uplinks` must be rates above 0, a range ascending; not unlimited"),
        ("uplinks=2M..1M", "`uplinks` must be rates above 0, a range ascending; not unlimited"),
        ("network.loss=1", "`network.loss` must be 0 or more, and less than 1"),
        ("groups.by_address=true", "`groups.by_address` must be false unless `network.model` is `internet`"),
        ("actors.riders=51", "`actors` must be no more together than `peers`, strangers left out"),
        ("arrivals.early=51", "`arrivals.early` must be no more than `peers`"),
        ("policy.links.most=3", "`policy.links.most` must be no less than links.wanted"),
        ("expect.last_over_bound_max=0.9", "`expect.last_over_bound_max` must be 1 or more, or none"),
    ]);
    for (assignment, wanted) in cases {
        let mut scenario = Scenario::default();
        scenario.set(assignment).unwrap();
        assert_eq!(scenario.validate().unwrap_err().to_string(), wanted, "{assignment}");
    }
}

#[test]
fn a_content_is_cut_into_as_many_runs_as_are_asked_for() {
    let scenario = Scenario { runs: 7, run_bytes: Bytes(16 << 10), ..Scenario::default() };
    assert_eq!(scenario.bytes(), 7 * (16 << 10));
    assert_eq!(scenario.layout().unwrap().runs(), 7);
}

#[test]
fn the_documentation_names_every_field_with_its_default() {
    const PAGE: &str = include_str!("../../../docs/scenarios.md");
    for (name, value) in Scenario::default().options() {
        if name.starts_with("policy.") {
            continue;
        }
        let own = name.rsplit('.').next().unwrap();
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}` ")));
        let row = row.or_else(|| PAGE.lines().find(|line| line.starts_with(&format!("| `{own}` |"))));
        let default = row.and_then(|row| row.split('|').nth(2)).map(|cell| cell.trim().replace('`', ""));
        assert_eq!(default.as_deref(), Some(value.as_str()), "{name}");
    }
}

#[test]
fn the_example_of_the_documentation_is_valid() {
    const PAGE: &str = include_str!("../../../docs/scenarios.md");
    let example = PAGE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(Scenario::parse(example).unwrap().validate(), Ok(()));
}
