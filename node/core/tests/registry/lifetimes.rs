//! How long the directory tells of a peer: until it expires, leaves or moves, also after a restart.

use std::time::Duration;

use nearcast_core::registry::{Announcement, Nowhere, RegistryConfig};

use crate::world::{CONTENT, content, find, ip, millis, name, open, said, sweep_all};

#[test]
fn nobody_is_told_of_itself_nor_of_the_expired() {
    let mut registry = open(RegistryConfig::default());
    registry.announce(millis(0), &said(CONTENT, 1, ip(1)), &Nowhere);
    registry.announce(millis(100_000), &said(CONTENT, 2, ip(2)), &Nowhere);
    assert_eq!(find(&mut registry, millis(101_000), 1, ip(1), 50).len(), 1);
    assert_eq!(find(&mut registry, millis(181_000), 3, ip(3), 50).len(), 1);
    sweep_all(&mut registry, millis(300_000));
    assert_eq!((registry.contents(), registry.entries(), registry.peers()), (0, 0, 0));
}

#[test]
fn who_leaves_is_gone_and_who_moves_is_told_at_its_new_address_only() {
    let mut registry = open(RegistryConfig::default());
    registry.announce(millis(0), &said(CONTENT, 1, ip(1)), &Nowhere);
    registry.announce(millis(0), &said(CONTENT, 2, ip(2)), &Nowhere);
    registry.announce(millis(1), &said(CONTENT, 1, ip(77)), &Nowhere);
    let found = find(&mut registry, millis(2), 9, ip(9), 50);
    let one: Vec<_> = found.iter().filter(|member| member.name == name(1)).collect();
    assert_eq!((found.len(), one.len(), one[0].endpoint.ip), (2, 1, ip(77)));
    registry.withdraw(&CONTENT, &name(1), &Nowhere);
    registry.withdraw(&CONTENT, &name(5), &Nowhere);
    assert_eq!(find(&mut registry, millis(3), 9, ip(9), 50).len(), 1);
    registry.withdraw(&CONTENT, &name(2), &Nowhere);
    assert_eq!((registry.contents(), registry.peers()), (0, 0));
}

#[test]
fn what_was_saved_comes_back_with_the_life_it_had_and_within_the_bounds() {
    let mut registry = open(RegistryConfig::default());
    for number in 0..20_000 {
        let now = millis(u64::from(number));
        let complete = number % 3 == 0;
        registry.announce(
            now,
            &Announcement { complete, ..said(content(number / 4), number, ip(number)) },
            &Nowhere,
        );
    }
    let (mut saved, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        from = registry.snapshot(millis(30_000), at, &mut saved);
    }
    assert_eq!(saved.len(), 20_000);
    let mut again = open(RegistryConfig { entries_max: 15_000, ..RegistryConfig::default() });
    // The clock begins anew, and one of the saved peers has already announced itself.
    again.announce(millis(10), &saved[7].said, &Nowhere);
    saved.iter().for_each(|entry| {
        again.restore(millis(10), entry, &Nowhere);
    });
    assert_eq!(again.entries(), 15_000);
    sweep_all(&mut again, millis(175_000));
    let left = again.entries();
    assert!(left > 4_000 && left < 7_000, "{left}: those who have everything last longer");
    let forged = nearcast_core::registry::Saved { left: Duration::MAX, ..saved[1].clone() };
    again.restore(millis(175_000), &forged, &Nowhere);
    sweep_all(&mut again, millis(1_000_000));
    assert_eq!(again.entries(), 0, "nothing lasts longer than an announcement");
}
