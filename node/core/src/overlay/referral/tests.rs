use super::*;
use crate::{
    directory::registry::{Endpoint, Nowhere},
    place::{
        asn::{Asn, Relation},
        tier::Proximity,
    },
};

const CONTENT: ContentId = ContentId([7; 32]);

fn name(number: u16) -> PeerName {
    let mut key = [9; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    PeerName(key)
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn member(number: u16, at: &str) -> Member {
    Member {
        name: name(number),
        endpoint: Endpoint { ip: ip(at), tcp: Some(4_000), udp: None },
        proximity: Proximity::UNKNOWN,
        complete: true,
    }
}

/// Every address that begins with 8 is in one AS.
struct Eight;

impl Locator for Eight {
    fn version(&self) -> u64 {
        1
    }

    fn asn(&self, ip: IpAddr) -> Option<Asn> {
        matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 8).then_some(Asn(64_500))
    }

    fn neighbours(&self, _: Asn, _: &mut Vec<(Asn, Relation)>) {}
}

fn asked(referrals: &mut Referrals, now: Timestamp, asker: &str) -> Step {
    referrals.begin(now, CONTENT, ip(asker), &Nowhere)
}

fn told(referrals: &mut Referrals, now: Timestamp, asker: &str) -> Vec<PeerName> {
    let mut members = Vec::new();
    referrals.tell(now, (&CONTENT, &name(999), ip(asker)), 50, &Eight, &mut members);
    members.iter().map(|member| member.name).collect()
}

/// A walk that finds directory 1, which names member 2.
fn walked(now: Timestamp) -> Referrals {
    let mut referrals = Referrals::new(1);
    assert_eq!(asked(&mut referrals, now, "20.1.1.1"), Step::LookUp(vec![Key::of_content(&CONTENT)]));
    assert_eq!(referrals.found(now, CONTENT, &[(name(1), ip("9.9.9.9"))]), [name(1)]);
    referrals.heard(CONTENT, name(1), vec![member(2, "8.8.8.8")]);
    referrals.end(now, &CONTENT);
    referrals
}

#[test]
fn members_count_for_a_minute_and_directories_for_ten() {
    let mut referrals = walked(seconds(10));
    assert_eq!(told(&mut referrals, seconds(10), "20.1.1.1"), [name(2)]);
    assert_eq!(asked(&mut referrals, seconds(69), "20.1.1.1"), Step::Nothing);
    assert_eq!(asked(&mut referrals, seconds(70), "20.1.1.1"), Step::Ask(vec![name(1)]));
    assert_eq!(asked(&mut referrals, seconds(71), "20.1.1.1"), Step::UnderWay);
    referrals.end(seconds(72), &CONTENT);
    assert!(matches!(asked(&mut referrals, seconds(700), "20.1.1.1"), Step::LookUp(_)));
    referrals.end(seconds(700), &CONTENT);
}

#[test]
fn a_walk_that_never_ends_keeps_nobody_from_the_next() {
    let mut referrals = Referrals::new(1);
    asked(&mut referrals, seconds(1), "20.1.1.1");
    assert_eq!(asked(&mut referrals, seconds(3), "20.1.1.1"), Step::UnderWay);
    assert!(matches!(asked(&mut referrals, seconds(4), "20.1.1.1"), Step::LookUp(_)));
}

#[test]
fn what_nobody_knows_is_not_looked_up_again_at_once() {
    let mut referrals = Referrals::new(1);
    asked(&mut referrals, seconds(1), "20.1.1.1");
    assert!(referrals.found(seconds(1), CONTENT, &[]).is_empty());
    referrals.end(seconds(1), &CONTENT);
    assert_eq!(asked(&mut referrals, seconds(20), "20.1.1.1"), Step::Nothing);
    assert!(matches!(asked(&mut referrals, seconds(21), "20.1.1.1"), Step::LookUp(_)));
}

#[test]
fn an_asker_whose_as_is_known_gets_the_key_of_its_as_first() {
    let mut referrals = Referrals::new(1);
    let step = referrals.begin(seconds(1), CONTENT, ip("8.1.1.1"), &Eight);
    let keys = vec![Key::of_as(&CONTENT, Asn(64_500)), Key::of_content(&CONTENT)];
    assert_eq!(step, Step::LookUp(keys));
}

#[test]
fn three_are_asked_and_not_three_of_one_network() {
    for seed in 0..50 {
        let mut referrals = Referrals::new(seed);
        asked(&mut referrals, seconds(1), "20.1.1.1");
        let crowd = (1..30).map(|number| (name(number), IpAddr::from([66, 66, 1, 1])));
        let found: Vec<_> = crowd.chain([(name(100), ip("9.9.9.9"))]).collect();
        let chosen = referrals.found(seconds(1), CONTENT, &found);
        assert_eq!(chosen.len(), 3);
        assert!(chosen.contains(&name(100)), "the only one of another network is asked");
    }
}

#[test]
fn nearest_first_nobody_twice_and_not_the_asker() {
    let mut referrals = Referrals::new(1);
    asked(&mut referrals, seconds(1), "8.1.1.1");
    referrals.found(seconds(1), CONTENT, &[(name(1), ip("9.9.9.9")), (name(2), ip("7.7.7.7"))]);
    let far = [member(10, "20.1.1.1"), member(11, "8.1.1.77"), member(999, "8.1.1.2")];
    referrals.heard(CONTENT, name(1), far.to_vec());
    referrals.heard(CONTENT, name(2), vec![member(12, "8.200.1.1"), member(10, "20.1.1.1")]);
    referrals.end(seconds(1), &CONTENT);
    assert_eq!(told(&mut referrals, seconds(2), "8.1.1.1"), [name(11), name(12), name(10)]);
}

#[test]
fn a_liar_has_a_bounded_share_and_cannot_name_what_nobody_may_be_told_of() {
    let mut referrals = Referrals::new(1);
    asked(&mut referrals, seconds(1), "20.1.1.1");
    referrals.found(seconds(1), CONTENT, &[(name(1), ip("9.9.9.9"))]);
    let smtp =
        Member { endpoint: Endpoint { ip: ip("8.8.8.8"), tcp: Some(25), udp: None }, ..member(3, "8.8.8.8") };
    let lies = [smtp, member(4, "10.0.0.1"), member(5, "127.0.0.1"), member(6, "224.0.0.1")];
    let many = (100..300).map(|number| member(number, "30.1.1.1"));
    referrals.heard(CONTENT, name(1), lies.into_iter().chain(many).collect());
    referrals.heard(CONTENT, name(77), vec![member(7, "8.8.8.8")]);
    referrals.end(seconds(1), &CONTENT);
    let told = told(&mut referrals, seconds(1), "20.1.1.1");
    assert!(told.len() <= MEMBERS_PER_DIRECTORY_MAX);
    assert!([3, 4, 5, 6, 7].iter().all(|liar| !told.contains(&name(*liar))), "{told:?}");
}

#[test]
fn one_network_causes_few_walks_and_all_together_a_bounded_number() {
    let mut referrals = Referrals::new(1);
    let walks = |referrals: &mut Referrals, from: u32, ip: &dyn Fn(u32) -> IpAddr| {
        let begun = (from..from + 1_000).filter(|&number| {
            let mut content = [1; 32];
            content[..4].copy_from_slice(&number.to_be_bytes());
            referrals.begin(seconds(1), ContentId(content), ip(number), &Nowhere) != Step::Nothing
        });
        begun.count()
    };
    assert_eq!(walks(&mut referrals, 0, &|_| ip("20.1.1.1")), 20);
    let many = |number: u32| IpAddr::from([30, 1, (number % 250) as u8, (number / 250) as u8]);
    assert_eq!(walks(&mut referrals, 5_000, &many), 30);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut referrals = Referrals::new(1);
    for number in 0..10_000_u32 {
        let mut content = [1; 32];
        content[..4].copy_from_slice(&number.to_be_bytes());
        let asker = IpAddr::from([30, 1, (number % 250) as u8, 1]);
        referrals.begin(seconds(u64::from(number)), ContentId(content), asker, &Nowhere);
    }
    assert!(referrals.len() <= CONTENTS_MAX && referrals.len() > 500);
}
