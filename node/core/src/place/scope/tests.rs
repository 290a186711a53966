use super::*;

fn may(ip: &str, teller: &str, listens: &[&str]) -> bool {
    let listens: Vec<IpAddr> = listens.iter().map(|ip| ip.parse().unwrap()).collect();
    Scope::may_dial(ip.parse().unwrap(), 4001, teller.parse().ok(), &listens)
}

#[test]
fn addresses_have_the_scope_their_prefix_says() {
    let cases = [
        ("127.9.8.7", Scope::Loopback),
        ("::1", Scope::Loopback),
        ("::ffff:127.0.0.1", Scope::Loopback),
        ("169.254.169.254", Scope::Link),
        ("fe80::1", Scope::Link),
        ("10.0.0.1", Scope::Private),
        ("172.31.0.1", Scope::Private),
        ("192.168.1.1", Scope::Private),
        ("100.64.0.1", Scope::Private),
        ("fd00::1", Scope::Private),
        ("::ffff:10.0.0.1", Scope::Private),
        ("8.8.8.8", Scope::Public),
        ("2600::1", Scope::Public),
        ("0.0.0.0", Scope::Nobody),
        ("::", Scope::Nobody),
        ("224.0.0.1", Scope::Nobody),
        ("255.255.255.255", Scope::Nobody),
        ("ff02::1", Scope::Nobody),
        ("192.0.2.1", Scope::Nobody),
        ("2001:db8::1", Scope::Nobody),
        ("::127.0.0.1", Scope::Nobody),
        ("64:ff9b::7f00:1", Scope::Nobody),
        ("64:ff9b::8.8.8.8", Scope::Public),
    ];
    for (ip, scope) in cases {
        assert_eq!(Scope::of(ip.parse().unwrap()), scope, "{ip}");
    }
}

#[test]
fn a_strangers_url_leads_to_the_internet_and_nowhere_else() {
    let refused = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.0.0.53",
        "127.255.255.255",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::169.254.169.254",
        "::8.8.8.8",
        "::ffff:0.0.0.0",
        "::ffff:10.0.0.1",
        "::ffff:100.64.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:192.168.1.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b::192.168.1.1",
        "64:ff9b::100.64.0.1",
        "64:ff9b::0.0.0.0",
        "64:ff9b::255.255.255.255",
        "64:ff9b:0:0:0:1:808:808",
        "64:ff9b:2::8.8.8.8",
        "64:ff9a::8.8.8.8",
        "64:ff9b:1::",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1::127.0.0.1",
        "64:ff9b:1:ffff::192.168.0.1",
        // 10.0.0.1 behind prefixes of 48, 56 and 64 bits.
        "64:ff9b:1:a00:0:100::",
        "64:ff9b:1:a:0:1::",
        "64:ff9b:1:0:a:0:100:0",
        // What looks like 1.0.0.0 to one translator is 10.0.1.1 to another.
        "64:ff9b:1:0:a:1:100:0",
        "100::1",
        "1fff::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456:789a::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ff0e::1",
    ];
    for ip in refused {
        assert!(!Scope::may_ask_http(ip.parse().unwrap(), 443, &Ours::default()), "{ip}");
    }
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "64:ff9b::1.1.1.1",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1:2:3:4:9.9.9.9",
        "64:ff9b:1:808:8:800::",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2600::1",
        "2a00::1",
        "3ffe::1",
    ];
    for ip in public {
        assert!(Scope::may_ask_http(ip.parse().unwrap(), 443, &Ours::default()), "{ip}");
    }
    let ports = |ports: &[u16], may| {
        let asked =
            |port: &u16| Scope::may_ask_http("8.8.8.8".parse().unwrap(), *port, &Ours::default()) == may;
        ports.iter().all(asked)
    };
    assert!(ports(&[80, 443, 1024, 8080, 65_535], true) && ports(&[0, 1, 22, 25, 81, 444, 1023], false));
}

#[test]
fn inner_addresses_are_dialled_only_within_their_scope() {
    assert!(may("8.8.8.8", "1.1.1.1", &[]));
    assert!(!may("10.0.0.1", "1.1.1.1", &["1.2.3.4"]));
    assert!(may("10.0.0.1", "10.0.0.2", &[]));
    assert!(!may("127.0.0.1", "10.0.0.2", &["0.0.0.0"]));
    assert!(may("127.2.0.1", "8.8.8.8", &["127.1.0.1"]));
    assert!(!may("224.0.0.1", "224.0.0.1", &["224.0.0.1"]));
}

#[test]
fn ports_of_other_services_are_left_alone() {
    let ip = "8.8.8.8".parse().unwrap();
    assert!(Scope::may_dial(ip, 443, None, &[]));
    assert!(!Scope::may_dial(ip, 22, None, &[]));
    assert!(!Scope::may_dial(ip, 0, None, &[]));
}

fn ours(networks: &[(&str, u8)], seen_at: &[&str]) -> Ours {
    let networks = networks.iter().map(|(ip, bits)| (ip.parse().unwrap(), *bits));
    Ours::new(networks, seen_at.iter().map(|ip| ip.parse().unwrap()))
}

#[test]
fn our_own_part_of_the_internet_is_no_part_that_strangers_send_us_to() {
    let ours = ours(
        &[("2600:1:2:ff03::7", 64), ("8.8.4.20", 24), ("9.9.9.9", 32), ("2a00::1", 128), ("0.0.0.0", 0)],
        &["1.1.1.1", "2400:cb00::5"],
    );
    let inside = [
        "2600:1:2:ff03::1",
        "2600:1:2:ff03:ffff::1",
        "2600:1:2:ff00::1",
        "2600:1:2:ffff::1",
        "8.8.4.1",
        "8.8.4.255",
        "::ffff:8.8.4.1",
        "64:ff9b::8.8.4.1",
        "64:ff9b:1::8.8.4.1",
        "9.9.9.9",
        "2a00::77",
        "1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2400:cb00::1",
    ];
    for ip in inside {
        assert!(!Scope::may_ask_http(ip.parse().unwrap(), 443, &ours), "{ip}");
    }
    let outside = ["2600:1:2:fe03::1", "2600:1:3::1", "8.8.5.1", "9.9.9.8", "1.1.1.2", "2400:cb01::1"];
    for ip in outside {
        assert!(Scope::may_ask_http(ip.parse().unwrap(), 443, &ours), "{ip}");
    }
}

#[test]
fn a_link_leads_to_the_internet_and_to_our_own_subnets() {
    let ours = ours(&[("192.168.7.5", 24), ("fd00:1::5", 64)], &[]);
    let may = |ip: &str, port: u16, listens: &[&str]| {
        let listens: Vec<IpAddr> = listens.iter().map(|ip| ip.parse().unwrap()).collect();
        Scope::may_dial_by_link(ip.parse().unwrap(), port, &ours, &listens)
    };
    for ip in ["8.8.8.8", "2600::1", "192.168.7.9", "fd00:1::9", "::ffff:192.168.7.9"] {
        assert!(may(ip, 4001, &[]), "{ip}");
    }
    let inner = ["192.168.8.9", "10.0.0.1", "169.254.169.254", "fe80::1", "fd00:2::1", "127.0.0.77", "::1"];
    for ip in
        inner.into_iter().chain(["::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "0.0.0.0"])
    {
        assert!(!may(ip, 6379, &[]) && !may(ip, 6379, &["192.168.7.5"]), "{ip}");
        assert!(!may(ip, 6379, &["127.0.0.1", "192.168.7.5"]), "{ip}: it also listens elsewhere");
    }
    assert!(may("127.3.0.1", 4001, &["127.1.0.7"]), "a node on this machine alone");
    for port in [0, 1, 25, 80, 443, 631, 1023] {
        assert!(!may("8.8.8.8", port, &[]) && !may("127.3.0.1", port, &["127.1.0.7"]), "{port}");
    }
}

#[test]
fn an_address_behind_a_translator_is_the_one_that_it_holds() {
    let reached = |ip: &str| Scope::reached(ip.parse().unwrap()).to_string();
    assert_eq!(reached("64:ff9b::8.8.8.8"), "8.8.8.8");
    assert_eq!(reached("::ffff:8.8.8.8"), "8.8.8.8");
    assert_eq!(reached("2600::1"), "2600::1");
}
