//! The table of a made-up service, for tests of everything that is built from tables.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Made {
    Root,
    Publish,
    Rescan,
    Listen,
    Connections,
    Up,
    UpPerContent,
    Grace,
    Admin,
    Feed,
    Updates,
    Bmp,
    Allow,
    Log,
    LogFormat,
}

const fn row(
    setting: Made,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    example: &'static str,
) -> About<Made> {
    let (short, long) = ("What it is.", "Why it is what it is.");
    About { setting, name, kind, value: "VALUE", default, example, live: true, short, long }
}

static TABLE: [About<Made>; 15] = [
    row(Made::Root, "root", Kind::Path, "", "/srv"),
    row(Made::Publish, "publish", Kind::Switch, "false", ""),
    row(Made::Rescan, "rescan", Kind::Duration, "10s", ""),
    row(Made::Listen, "listen", Kind::Listen(4800), "", "/ip4/0.0.0.0/tcp/4800"),
    row(Made::Connections, "connections", Kind::Count { min: 16, max: 60_000 }, "4096", ""),
    row(Made::Up, "up", Kind::Rate, "none", ""),
    row(Made::UpPerContent, "up-per-content", Kind::Rate, "none", ""),
    row(Made::Grace, "grace", Kind::Duration, "30s", ""),
    row(Made::Admin, "admin", Kind::Admin, "127.0.0.1:4801", ""),
    row(Made::Feed, "feed", Kind::PathOr(&["-", "auto", "wss://", "ws://"]), "", "wss://feed.example/"),
    row(Made::Updates, "updates", Kind::Paths, "", "/srv/updates.gz"),
    row(Made::Bmp, "bmp", Kind::Socket, "", "192.0.2.1:5000"),
    row(Made::Allow, "allow", Kind::Ips, "", "192.0.2.1"),
    row(Made::Log, "log", Kind::Filter, "info", ""),
    row(Made::LogFormat, "log-format", Kind::Word(&["text", "json"]), "text", ""),
];

impl Setting for Made {
    const PROGRAM: Program =
        Program { name: "nearcast-made", file: "made.toml", variable_prefix: "NEARCAST_MADE_" };

    fn table() -> &'static [About<Made>] {
        &TABLE
    }
}

#[test]
fn every_setting_is_found_by_itself_and_by_its_name() {
    for about in Made::table() {
        assert_eq!(about.setting.about().name, about.name);
        assert_eq!(Made::named(about.name), Some(about.setting));
    }
    assert_eq!(Made::LogFormat.about().variable(), "NEARCAST_MADE_LOG_FORMAT");
}

#[test]
fn wrong_values_are_refused_with_what_would_be_right() {
    for (setting, value, right) in [
        (Made::Publish, "yes", "true or false"),
        (Made::Listen, "here.example:80", "/ip4/"),
        (Made::Up, "fast", "none for no limit"),
        (Made::Connections, "3", "from 16 to 60000"),
        (Made::Rescan, "soon", "30s"),
        (Made::Admin, "localhost", "127.0.0.1:4801"),
        (Made::Bmp, "5000", "192.0.2.1:5000"),
        (Made::Allow, "router.example", "192.0.2.1"),
        (Made::Log, "nearcast_node=loud", "debug"),
        (Made::LogFormat, "xml", "text or json"),
        (Made::Root, "", "a path"),
    ] {
        let error = setting.about().kind.check(OsStr::new(value)).unwrap_err();
        assert!(error.contains(right), "{value}: {error}");
    }
}

#[test]
fn a_misspelt_name_leads_to_the_one_meant() {
    for (wrong, meant) in [
        ("up-per-contnet", Some(Made::UpPerContent)),
        ("Root", Some(Made::Root)),
        ("log_format", Some(Made::LogFormat)),
        ("adress", None),
        ("colour-of-the-sky", None),
    ] {
        assert_eq!(Made::nearest(wrong), meant, "{wrong}");
    }
}

#[test]
fn urls_and_words_are_no_paths() {
    let kind = Made::Feed.about().kind;
    for (value, is_path) in [
        ("ris.json", true),
        ("/srv/a", true),
        ("-", false),
        ("auto", false),
        ("auto.atlas", true),
        ("wss://feed.example/", false),
    ] {
        assert_eq!(kind.is_path(OsStr::new(value)), is_path, "{value}");
    }
}
