use super::*;
use crate::made_up::{Told, old_table, table, updates};

const TIME: u32 = 1_400_000_000;
const A: &str = "45.51.100.0/24";
const B: &str = "45.0.113.0/24";

fn origins(atlas: &Atlas, ip: &str) -> Vec<u32> {
    let found = atlas.lookup(ip.parse().unwrap());
    found.map_or_else(Vec::new, |found| found.origins.iter().map(|asn| asn.0).collect())
}

fn compiled(tables: &[Vec<u8>], messages: &[Vec<u8>]) -> (Atlas, u64) {
    let mut compiler = Compiler::default();
    for file in tables {
        compiler.rib(&file[..]).unwrap();
    }
    for file in messages {
        compiler.updates(&file[..]).unwrap();
    }
    let stale = compiler.stale();
    (compiler.finish(TIME.into()), stale)
}

const ROUTES: [Told<'_>; 4] = [
    ("192.0.2.1", 10, A, Some(&[10, 3356, 30])),
    ("192.0.2.2", 11, A, Some(&[11, 31])),
    ("192.0.2.3", 12, A, Some(&[12, 31])),
    ("192.0.2.1", 10, B, Some(&[10, 40])),
];

#[test]
fn of_several_origins_the_one_most_routers_see_is_first() {
    for file in [table(TIME, &ROUTES), old_table(TIME, &ROUTES)] {
        let (atlas, _) = compiled(&[file], &[]);
        assert_eq!(origins(&atlas, "45.51.100.7"), [31, 30]);
        assert_eq!(origins(&atlas, "45.0.113.7"), [40]);
        assert_eq!(atlas.relation(Asn(30), Asn(3356)), Some(Relation::Provider));
        assert_eq!(atlas.relation(Asn(11), Asn(31)), Some(Relation::Peer));
        assert_eq!(atlas.relation(Asn(10), Asn(31)), None);
    }
}

#[test]
fn updates_change_a_table_and_withdrawals_take_out_of_it() {
    let later: [Told<'_>; 3] =
        [("192.0.2.2", 11, A, None), ("192.0.2.3", 12, A, Some(&[12, 30])), ("192.0.2.1", 10, B, None)];
    let (atlas, stale) = compiled(&[table(TIME, &ROUTES)], &[updates(TIME + 1, &later)]);
    assert_eq!(origins(&atlas, "45.51.100.7"), [30]);
    assert_eq!(origins(&atlas, "45.0.113.7"), [0u32; 0]);
    assert_eq!(stale, 0);
}

#[test]
fn updates_from_before_the_table_change_nothing() {
    let earlier: [Told<'_>; 2] = [
        ("192.0.2.1", 10, B, None),
        // This router's table is missing, so its update is the latest word.
        ("192.0.2.9", 13, A, Some(&[13, 30])),
    ];
    let (atlas, stale) = compiled(&[table(TIME, &ROUTES)], &[updates(TIME - 1, &earlier)]);
    assert_eq!(origins(&atlas, "45.0.113.7"), [40]);
    assert_eq!(origins(&atlas, "45.51.100.7"), [30, 31]);
    assert_eq!(stale, 1);
}

#[test]
fn a_table_has_one_voice_and_a_longer_prefix_wins_over_all_voices() {
    let mut compiler = Compiler::default();
    compiler.rib(&table(TIME, &ROUTES)[..]).unwrap();
    let text = "45.51.100.0\t45.51.100.255\t30\n45.51.100.128/25\t99\n45.2.2.0/24\t50_51\n";
    assert_eq!(compiler.table(text.as_bytes()).unwrap().good, 3);
    assert_eq!((compiler.routers(), compiler.prefixes()), (3, 4));
    let atlas = compiler.finish(0);
    // Two voices each: the lower number comes first.
    assert_eq!(origins(&atlas, "45.51.100.7"), [30, 31]);
    assert_eq!(origins(&atlas, "45.51.100.200"), [99]);
    assert_eq!(origins(&atlas, "45.2.2.1"), [50, 51]);
}

#[test]
fn given_relations_override_inferred_ones_and_may_run_in_circles() {
    let mut compiler = Compiler::default();
    compiler.rib(&table(TIME, &ROUTES)[..]).unwrap();
    compiler.as_rel(&b"30|3356|-1\n1|2|-1\n2|3|-1\n3|1|-1\n"[..]).unwrap();
    compiler.names(&b"30\tThirty\n"[..]).unwrap();
    let atlas = compiler.finish(0);
    assert_eq!(atlas.relation(Asn(30), Asn(3356)), Some(Relation::Customer));
    assert_eq!(atlas.relation(Asn(10), Asn(3356)), Some(Relation::Provider), "what nobody overrides stays");
    assert_eq!(atlas.hops(Asn(1), Asn(3)), Some(1));
    assert_eq!(atlas.name(Asn(30)), Some("Thirty"));
}

#[test]
fn more_routers_than_have_voices_are_counted_and_left_out() {
    let mut compiler = Compiler::default();
    let mut change = Change {
        time: 1,
        peer: BgpPeer { address: [0; 4].into(), asn: Asn(1) },
        prefix: A.parse().unwrap(),
        route: Route::Withdrawn,
    };
    for router in 0..66_000u32 {
        change.peer.address = router.to_be_bytes().into();
        compiler.change(&change, false);
    }
    assert_eq!(compiler.left_out(), 66_000 - 65_536);
}

#[test]
fn addresses_of_nobody_have_no_as_whatever_routes_and_tables_say() {
    let leaks: [Told<'_>; 3] = [
        ("192.0.2.1", 10, "10.0.0.0/8", Some(&[10, 20])),
        ("192.0.2.1", 10, "192.160.0.0/11", Some(&[10, 20])),
        ("192.0.2.1", 10, "2001:db8::/32", Some(&[10, 20])),
    ];
    let mut compiler = Compiler::default();
    compiler.rib(&table(TIME, &leaks)[..]).unwrap();
    compiler.table(&b"172.16.0.0/12 64512\n172.16.9.0/24 20\n192.168.7.0/24 20_64512\n"[..]).unwrap();
    assert_eq!((compiler.reserved(), compiler.prefixes()), (4, 2));
    let atlas = compiler.finish(0);
    assert_eq!(origins(&atlas, "10.1.2.3"), [0u32; 0]);
    assert_eq!(origins(&atlas, "192.168.7.1"), [0u32; 0], "what lies around it is no better");
    assert_eq!(origins(&atlas, "192.167.0.1"), [20]);
    assert_eq!(origins(&atlas, "172.16.9.1"), [64_512], "a site of the operator's");
}

#[test]
fn a_path_with_a_loop_says_who_originates_and_not_who_is_linked() {
    let routes: [Told<'_>; 2] =
        [("192.0.2.1", 10, A, Some(&[10, 30, 3356, 30])), ("192.0.2.1", 10, B, Some(&[10, 40, 10, 50]))];
    let (atlas, _) = compiled(&[table(TIME, &routes)], &[]);
    assert_eq!((origins(&atlas, "45.51.100.7"), origins(&atlas, "45.0.113.7")), (vec![30], vec![50]));
    assert_eq!(atlas.counts().links_unknown + atlas.counts().links_peering + atlas.counts().links_transit, 0);
}
