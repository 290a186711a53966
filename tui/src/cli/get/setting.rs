//! The table of all settings of `get` that hold for every download. The table makes the options,
//! the environment variables, the file `client.toml`, and the help about them. Options for a single
//! download are in the command itself.

use nearcast_node::{
    address::{CLIENT_PORT, SEEDER_PORT, TRACKER_PORT},
    config::SeedGoal,
    proxy::Proxy,
};
use nearcast_service::{
    setting::{self, Kind, OwnKind, Program},
    units::parse_duration,
};

use super::options::{Discover, Wait, parse_goal};

/// A row of the table.
pub(crate) type About = setting::About<Setting>;

/// The settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    Output,
    Peer,
    Tracker,
    Discover,
    Listen,
    Proxy,
    Atlas,
    AtlasKey,
    Nearness,
    SignedBy,
    Identity,
    Down,
    Up,
    Seed,
    Timeout,
    DiskWait,
}

/// The word for "no proxy". It overrides the environment.
pub(super) const NO_PROXY: &str = "none";

const DISCOVER: OwnKind =
    OwnKind { name: "ways", is_list: true, check: |text| Discover::parse_list(text).map(drop) };
const GOAL: OwnKind =
    OwnKind { name: "goal", is_list: false, check: |text| parse_goal(text).map(|_: SeedGoal| ()) };
const WAIT: OwnKind = OwnKind { name: "wait", is_list: false, check: |text| Wait::parse(text).map(drop) };
const PROXY: OwnKind = OwnKind {
    name: "proxy",
    is_list: false,
    check: |text| match text {
        NO_PROXY => Ok(()),
        _ => text.parse::<Proxy>().map(drop).map_err(|error| error.to_string()),
    },
};
const PATIENCE: OwnKind = OwnKind {
    name: "patience",
    is_list: false,
    check: |text| parse_duration(text).map(drop).map_err(|error| error.to_string()),
};

const WHOM: &str = "Whom to ask";
const TRUST: &str = "Whom to trust";
const LIMITS: &str = "Limits";

impl setting::Setting for Setting {
    const PROGRAM: Program = Program { name: "nearcast", file: "client.toml", variable_prefix: "NEARCAST_" };
    const COMMAND: &'static str = "get";
    const RELOADS: bool = false;

    fn table() -> &'static [About] {
        &TABLE
    }

    fn heading(self) -> Option<&'static str> {
        match self {
            Setting::Output => None,
            Setting::Peer
            | Setting::Tracker
            | Setting::Discover
            | Setting::Listen
            | Setting::Proxy
            | Setting::Atlas
            | Setting::Nearness => Some(WHOM),
            Setting::AtlasKey | Setting::SignedBy | Setting::Identity => Some(TRUST),
            Setting::Down | Setting::Up | Setting::Seed | Setting::Timeout | Setting::DiskWait => {
                Some(LIMITS)
            }
        }
    }

    fn letter(self) -> Option<char> {
        (self == Setting::Output).then_some('o')
    }

    fn is_hidden(self) -> bool {
        self == Setting::Nearness
    }
}

const fn row(
    setting: Setting,
    (name, value): (&'static str, &'static str),
    kind: Kind,
    (default, example): (&'static str, &'static str),
    (short, long): (&'static str, &'static str),
) -> About {
    About { setting, name, kind, value, default, example, live: false, short, long }
}

/// The table, in the order of the help.
pub(crate) static TABLE: [About; 16] = [
    row(
        Setting::Output,
        ("output", "DIR"),
        Kind::Path,
        (".", ""),
        (
            "Folder to download to; get -o - writes one file to standard output, in order and while it comes.",
            "In a file a folder is relative to that of the file.",
        ),
    ),
    row(
        Setting::Peer,
        ("peer", "ADDRESS"),
        Kind::Addresses(SEEDER_PORT),
        ("", "origin.example:4800"),
        (
            "Peer or seeder to ask: HOST:PORT, HOST alone for port 4800, or a multiaddr; several are possible.",
            "Only addresses given here may have ports below 1024, lie in private networks that are none of ours, or on this \
             machine: of those in a link, which a stranger may have written, the first eight are tried.",
        ),
    ),
    row(
        Setting::Tracker,
        ("tracker", "ADDRESS"),
        Kind::Addresses(TRACKER_PORT),
        ("", "tracker.example:4810"),
        (
            "Tracker or other directory to ask for peers: HOST:PORT, HOST alone for port 4810, or a multiaddr; several are \
             possible.",
            "It learns what is asked for, and answers with peers that are near.",
        ),
    ),
    row(
        Setting::Discover,
        ("discover", "WAY,…"),
        Kind::Own(DISCOVER),
        ("tracker,pex,lan", ""),
        (
            "Ways to find peers besides --peer and those in the link: tracker, pex, lan or none.",
            "tracker: ask directories, those given, and origins about what they serve. pex: peers tell of peers. lan: whoever \
             is on the local network; they learn that we are there, and those we ask, what for. Peers that were told of us may \
             come to us all the same. The DHT is not built yet.",
        ),
    ),
    row(
        Setting::Listen,
        ("listen", "ADDRESS"),
        Kind::Listen(CLIENT_PORT),
        ("", "192.0.2.1:4820"),
        (
            "Address to listen on, and to dial from: IP:PORT for TCP and QUIC, or a multiaddr; several are possible.",
            "By default every interface, TCP and QUIC, port 4820; or any free port if that is taken. A port that is named here \
             never gives way. * stands for every interface.",
        ),
    ),
    row(
        Setting::Proxy,
        ("proxy", "URL"),
        Kind::Own(PROXY),
        ("", "http://proxy.example:3128"),
        (
            "Proxy for what is fetched by HTTP, as for curl: http, https, socks4, socks4a, socks5 or socks5h; none goes through \
             none.",
            "That is web seeds, and .torrent files named by a URL. By default the environment says: http_proxy, https_proxy, \
             all_proxy. Hosts in no_proxy are asked directly in any case. Peers are connected to directly: a proxy hides nobody \
             from them.",
        ),
    ),
    row(
        Setting::Atlas,
        ("atlas", "FILE|auto"),
        Kind::PathOr(&["auto"]),
        ("", "auto"),
        (
            "Atlas of who is where, made by nearcast-tracker atlas build, or auto.",
            "Peers in our own network (AS) come first, then those in networks next to it; without one, nearness goes by address \
             prefixes. With auto, the last good one is used, and whenever a tracker tells of a newer one, it is fetched from \
             other peers and used at once. It is kept in the cache folder.",
        ),
    ),
    row(
        Setting::AtlasKey,
        ("atlas-key", "KEY"),
        Kind::PathOr(&["ed25519:"]),
        ("", "/etc/nearcast/atlas.pub"),
        (
            "Who must have signed the atlas of --atlas auto.",
            "A public key as nearcast key show prints it, or a file that holds it.",
        ),
    ),
    row(
        Setting::Nearness,
        ("nearness", "on|off"),
        Kind::Word(&["on", "off"]),
        ("on", ""),
        ("Whether nearness decides whom bytes come from; off = random choice, to see what it saves.", ""),
    ),
    row(
        Setting::SignedBy,
        ("signed-by", "KEY"),
        Kind::PathsOr(&["ed25519:"]),
        ("", "/etc/nearcast/publisher.pub"),
        (
            "Demand a valid signature by this publisher; of several, one is enough.",
            "A public key as nearcast key show prints it, or a file that holds it.",
        ),
    ),
    row(
        Setting::Identity,
        ("identity", "FILE"),
        Kind::Path,
        ("", "/var/lib/nearcast/client.key"),
        (
            "Secret key to be known by, made when missing.",
            "By default a fresh one each time, so that two downloads cannot be linked by it.",
        ),
    ),
    row(
        Setting::Down,
        ("down", "RATE"),
        Kind::Rate,
        ("none", ""),
        ("Bytes per second to receive at most: 5M, 8MiB/s, 40Mbit.", "Without a unit it is bytes."),
    ),
    row(
        Setting::Up,
        ("up", "RATE"),
        Kind::Rate,
        ("none", ""),
        ("Bytes per second to give at most.", "Who gives more is served first by peers that are busy."),
    ),
    row(
        Setting::Seed,
        ("seed", "GOAL"),
        Kind::Own(GOAL),
        ("none", ""),
        (
            "How long to go on giving when everything is here: none, ratio:R, time:T or forever.",
            "With none it leaves at once, but for the runs that are being sent. Whoever stops it with Ctrl-C while it gives has \
             exit code 0.",
        ),
    ),
    row(
        Setting::Timeout,
        ("timeout", "TIME"),
        Kind::Own(PATIENCE),
        ("60s", ""),
        (
            "Give up when no byte came for this long; a number alone is seconds.",
            "Waiting for a turn at peers or web seeds that serve others, or for room on a full disk, does not count.",
        ),
    ),
    row(
        Setting::DiskWait,
        ("disk-wait", "TIME"),
        Kind::Own(WAIT),
        ("forever", ""),
        (
            "How long to wait for room when the disk is full: a time, none or forever.",
            "It goes on by itself when there is some. A hundredth of the disk, at most 256 MiB, is left to others.",
        ),
    ),
];

/// A sample file that sets nothing and explains every setting.
pub(crate) fn sample() -> String {
    nearcast_service::config::sample(Setting::Down)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use nearcast_service::setting::Setting as _;

    use super::*;

    #[test]
    fn every_setting_is_found_by_its_name_and_its_default_is_a_value_of_it() {
        for about in Setting::table() {
            assert_eq!(Setting::named(about.name), Some(about.setting));
            for value in [about.default, about.example] {
                assert!(
                    value.is_empty() || about.kind.check(OsStr::new(value)).is_ok(),
                    "{}: {value}",
                    about.name
                );
            }
        }
        assert_eq!(Setting::Down.about().variable(), "NEARCAST_DOWN");
        assert!(sample().contains("client.toml") && !sample().contains("nearness ="));
    }

    #[test]
    fn wrong_values_are_refused_with_what_would_be_right() {
        for (setting, value, right) in [
            (Setting::Discover, "dht", "tracker"),
            (Setting::Discover, "none,pex", "none"),
            (Setting::Seed, "sometimes", "ratio:1.5"),
            (Setting::DiskWait, "soon", "forever"),
            (Setting::Timeout, "x", "30s"),
            (Setting::Proxy, "ftp://a.example", "socks5h"),
            (Setting::Peer, "", "origin.example:4800"),
            (Setting::Listen, "here.example", "an IP"),
            (Setting::Down, "fast", "40Mbit"),
        ] {
            let error = setting.about().kind.check(OsStr::new(value)).unwrap_err();
            assert!(error.contains(right), "{value}: {error}");
        }
    }
}
