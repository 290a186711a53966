//! Liars beside one honest source that has everything: what the liars cost, whatever they do.

mod besieged;

use std::time::Duration;

use besieged::{Answers, Besieged, RUN_BYTES, Restless, Role, besiege, honest, liar, origin};
use nearcast_core::{message::Refusal, output::GiveUp};

const MIB: u64 = 1 << 20;
/// 48 MiB: twelve seconds of the honest source's uplink.
const RUNS: u64 = 192;
const RATE: u64 = 4 * MIB;

fn seconds(what: &str, siege: &Besieged) -> f64 {
    let time = siege
        .completed
        .unwrap_or_else(|| panic!("{what}: {} of {RUNS} runs, {:?}", siege.held(), siege.gave_up));
    let seconds = time.as_secs_f64();
    println!(
        "{what}: {seconds:.1} s, {} runs wasted, {} banned, liars sent {} runs",
        siege.wasted() / RUN_BYTES,
        siege.banned,
        siege.sent_by_liars / RUN_BYTES
    );
    seconds
}

fn beside(sources: &[Role], liars: &[Role]) -> Besieged {
    besiege(RUNS, Duration::from_secs(60), &[sources, liars].concat())
}

/// Downloads once beside an origin and once beside an honest peer, with these liars each time.
/// Checks that the download takes at most `factor` times as long as without the liars, and that
/// they make the engine throw away at most `wasted` runs.
fn costs(what: &str, liars: &[Role], factor: f64, wasted: u64) {
    for source in [origin(RATE), honest(RATE)] {
        let alone = seconds("alone", &beside(&[source], &[]));
        let siege = beside(&[source], liars);
        let kind = if source.origin { "origin" } else { "peer" };
        let attacked = seconds(&format!("{what}, beside an honest {kind}"), &siege);
        assert!(
            attacked <= factor * alone,
            "{what}: {attacked:.1} s beside an honest {kind}, {alone:.1} s without"
        );
        let runs = siege.wasted() / RUN_BYTES;
        assert!(runs <= wasted, "{what}: {runs} runs thrown away");
    }
}

#[test]
fn elsewhere_of_somebody_who_is_no_origin_silences_nobody() {
    costs("elsewhere", &[liar(Answers::Refuses(Refusal::Elsewhere))], 1.5, 0);
    costs("three who say elsewhere", &[liar(Answers::Refuses(Refusal::Elsewhere)); 3], 1.5, 0);
}

#[test]
fn elsewhere_of_somebody_who_says_that_it_is_an_origin_holds_up_its_own_link_only() {
    let poser = Role { origin: true, ..liar(Answers::Refuses(Refusal::Elsewhere)) };
    costs("elsewhere by a false origin", &[poser; 3], 1.5, 0);
}

#[test]
fn refusals_without_end_of_any_kind_hold_up_nobody() {
    for why in [Refusal::Busy, Refusal::Missing, Refusal::Choked] {
        costs(&format!("{why:?}"), &[liar(Answers::Refuses(why)); 3], 1.5, 0);
    }
}

#[test]
fn who_chokes_and_unchokes_without_end_holds_up_nobody() {
    for pause in [30, 300, 1_900] {
        let restless = Restless::Chokes(Duration::from_millis(pause));
        let flapping = |answers| Role { restless, ..liar(answers) };
        costs("flapping, refusing", &[flapping(Answers::Refuses(Refusal::Choked)); 3], 1.5, 0);
        costs("flapping, silent", &[flapping(Answers::Never); 3], 1.7, 0);
    }
}

#[test]
fn who_says_by_turns_that_it_has_everything_and_nothing_holds_up_nobody() {
    for pause in [30, 300, 1_900] {
        let restless = Restless::Forgets(Duration::from_millis(pause));
        for inside in [false, true] {
            let forgetful = Role { restless, inside, ..liar(Answers::Refuses(Refusal::Missing)) };
            costs("forgetful", &[forgetful; 3], 1.7, 0);
        }
    }
}

#[test]
fn what_is_held_already_earns_nothing_and_ends_the_link() {
    for after in [0, 400, 1_000] {
        let again = liar(Answers::Repeats(Duration::from_millis(after)));
        costs("repeating", &[again], 1.5, 4);
        costs("three who repeat", &[again; 3], 1.7, 8);
    }
    costs("good and repeated by turns", &[liar(Answers::HalfRepeats); 3], 1.5, 8);
}

#[test]
fn false_origins_that_repeat_themselves_waste_one_run_in_a_hundred_under_any_number_of_names() {
    for answers in [Answers::Repeats(Duration::ZERO), Answers::HalfRepeats] {
        let poser = Role { origin: true, ..liar(answers) };
        // One run in a hundred, and what each name was still asked for when that budget was used
        // up.
        costs("repeated by a false origin", &[poser], 1.5, 5);
        costs("repeated by four", &[poser; 4], 1.7, 17);
        let others =
            [1_u64, 2, 3, 4].map(|host| Role { host, returns: Some(Duration::from_millis(300)), ..poser });
        costs("repeated by fresh names of four addresses", &others, 2.0, 17);
    }
}

#[test]
fn two_honest_origins_that_send_the_same_runs_are_not_banned_and_waste_little() {
    let apart = Role { answers: Answers::InItsOrder(RATE), ..origin(RATE) };
    let alone = seconds("alone", &beside(&[origin(RATE)], &[]));
    for count in [2, 3] {
        let siege = beside(&vec![apart; count], &[]);
        let together = seconds(&format!("{count} honest origins"), &siege);
        assert_eq!(siege.banned, 0, "an honest origin");
        assert!(together <= 0.7 * alone, "{together:.1} s, {alone:.1} s from one");
        assert!(siege.wasted() / RUN_BYTES <= 16 * count as u64, "{} runs", siege.wasted() / RUN_BYTES);
    }
}

#[test]
fn runs_that_break_off_before_their_end_cost_a_few() {
    for good in [0, 1, 5] {
        let breaker = Role { returns: Some(Duration::ZERO), ..liar(Answers::BreaksOff(good)) };
        costs("broken off", &[breaker], 2.0, 10);
        costs("broken off by four names", &[breaker; 4], 2.0, 14);
    }
}

#[test]
fn who_never_answers_or_answers_what_was_taken_back_costs_little() {
    costs("never", &[liar(Answers::Never); 3], 1.7, 0);
    costs("too late", &[liar(Answers::TooLate); 3], 1.7, 12);
}

#[test]
fn who_brings_a_run_now_and_then_holds_up_nobody() {
    for rate in [RUN_BYTES, RUN_BYTES / 3, RUN_BYTES / 10] {
        costs("trickling", &[honest(rate)], 2.0, 3);
        costs("three who trickle", &[honest(rate); 3], 2.0, 6);
    }
}

#[test]
fn a_slow_poser_beside_a_slow_peer_does_not_keep_us_from_an_origin_that_comes_later() {
    // The peer has everything, so the engine asks an origin only if peers are too slow. The poser
    // makes origins look just as slow.
    for rate in [RUN_BYTES, 2 * RUN_BYTES, 3 * RUN_BYTES, 4 * RUN_BYTES] {
        let later = Role { after: Duration::from_secs(5), ..origin(RATE) };
        let alone = seconds("alone", &beside(&[later], &[]));
        let siege = beside(&[later], &[honest(rate), Role { host: 66, ..origin(rate) }]);
        let attacked = seconds("a slow poser beside a slow peer", &siege);
        assert!(attacked <= 1.5 * alone, "{attacked:.1} s, {alone:.1} s without");
    }
}

#[test]
fn fresh_names_of_one_address_cost_a_few_runs() {
    let crowd = Role { returns: Some(Duration::ZERO), ..liar(Answers::Falsely) };
    costs("false runs by fresh names", &[crowd; 4], 1.5, 8);
    let mute = Role { returns: Some(Duration::from_millis(500)), ..liar(Answers::Never) };
    costs("silent fresh names", &[mute; 4], 2.5, 0);
    let hoards = Role { restless: Restless::Hoards, ..mute };
    costs("hoarding fresh names", &[hoards; 4], 2.5, 0);
}

#[test]
fn who_says_that_it_has_everything_and_serves_nobody_holds_up_nobody() {
    let hoarder = Role { restless: Restless::Hoards, ..liar(Answers::Never) };
    costs("hoarders", &[hoarder; 3], 1.7, 0);
    costs("hoarders in our AS", &[Role { inside: true, ..hoarder }; 3], 1.7, 0);
    let inside = |answers| Role { inside: true, ..liar(answers) };
    costs("silent ones in our AS", &[inside(Answers::Never); 3], 1.9, 0);
    costs("refusing ones in our AS", &[inside(Answers::Refuses(Refusal::Busy)); 3], 1.9, 0);
}

#[test]
fn all_of_them_together_hold_up_nobody() {
    let mut liars = vec![liar(Answers::Never), honest(RUN_BYTES / 10)];
    liars.extend(Refusal::ALL.map(|why| liar(Answers::Refuses(why))));
    liars.extend(
        [Answers::Repeats(Duration::ZERO), Answers::HalfRepeats, Answers::Falsely, Answers::TooLate]
            .map(liar),
    );
    let posers = liars.clone().into_iter().map(|liar| Role { origin: true, ..liar });
    liars.extend(posers);
    costs("all together", &liars, 3.0, 32);
}

#[test]
fn without_anybody_honest_a_download_ends_with_the_true_reason() {
    let patience = Duration::from_secs(30);
    let end = |role: Role| {
        let siege = besiege(RUNS, patience, &[role; 2]);
        println!("{role:?}: {:?} after {:?}, {} runs", siege.gave_up, siege.ended(), siege.held());
        assert!(siege.ended() <= Duration::from_secs(400), "{role:?} keeps it for {:?}", siege.ended());
        siege.gave_up.expect("it ends")
    };
    let hoarder = Role { restless: Restless::Hoards, ..liar(Answers::Never) };
    assert_eq!(end(hoarder), GiveUp::Unserved);
    assert_eq!(end(liar(Answers::Refuses(Refusal::Busy))), GiveUp::Unserved);
    assert_eq!(end(Role { origin: true, ..liar(Answers::Refuses(Refusal::Elsewhere)) }), GiveUp::Unserved);
    let fresh = Role { returns: Some(Duration::from_secs(5)), ..hoarder };
    assert_eq!(end(fresh), GiveUp::Unserved);
    let poser = Role { origin: true, ..liar(Answers::Repeats(Duration::from_secs(1))) };
    assert_eq!(end(poser), GiveUp::Silent);
}
