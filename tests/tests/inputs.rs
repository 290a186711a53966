//! Input that people type, paste and preset: links, lists, URLs, addresses, ports and settings
//! files.

use std::{fs, net::TcpListener, path::PathBuf};

use e2e::{
    cluster::{Get, PATIENCE, Published, READY_TIMEOUT, Seeder, SeederOptions, publish, run},
    content::{MIB, assert_same, write_random},
    place::Place,
    process::{Process, Stream},
    web::{Manner, WebServer},
};

/// Exit codes.
const NOT_FOUND: i32 = 3;
const IO: i32 = 17;
const BAD_OPTION: i32 = 28;

/// A film served by a seeder.
struct Served {
    place: Place,
    source: PathBuf,
    published: Published,
    seeder: Seeder,
}

impl Served {
    fn new(seed: u64) -> Served {
        let place = Place::new();
        let source = place.folder("root").join("film.bin");
        write_random(&source, MIB, seed);
        let published = publish(&place, &source, &[]);
        let seeder = Seeder::start(&place, &place.folder("root"), "127.1.0.1");
        Served { place, source, published, seeder }
    }

    fn torrent(&self) -> &str {
        self.published.torrent.to_str().expect("the temporary folder has a plain name")
    }

    /// The seeder's address as host and port.
    fn host_port(&self) -> String {
        format!("127.1.0.1:{}", self.seeder.port())
    }

    fn get(&self, source: &str, out: &str) -> Get {
        Get::new(&self.place, source, &self.place.folder(out), "127.1.0.2").peer(&self.host_port())
    }

    fn assert_got(&self, out: &str) {
        assert_same(&self.source, &self.place.folder(out).join("film.bin"));
    }
}

#[test]
fn a_torrent_comes_from_a_url_a_list_or_standard_input() {
    let served = Served::new(41);
    let web = WebServer::start(&served.place.folder("root"), "127.1.0.80", Manner::Good);
    served.get(&web.url("film.bin.torrent"), "by-url").finish();
    served.assert_got("by-url");
    let moved =
        WebServer::start(&served.place.folder("root"), "127.1.0.81", Manner::Redirect("/moved".into()));
    served.get(&moved.url("film.bin.torrent"), "by-redirect").finish();
    served.assert_got("by-redirect");

    let script = format!("exec \"$@\" < '{}'", served.torrent());
    served.get("-", "by-stdin").under(&script).finish();
    served.assert_got("by-stdin");
    let script = format!("printf '# one\\n\\n%s\\n' '{}' | \"$@\"", served.published.magnet);
    served.get("-", "by-lines").under(&script).finish();
    served.assert_got("by-lines");

    let list = served.place.path().join("list.txt");
    let id = served.published.content();
    fs::write(&list, format!("# films\n{id}\n/absent.torrent\n")).expect("there is room");
    let out = served.place.folder("by-list");
    let mut command = served.place.nearcast();
    command.args(["get", "--listen", "127.1.0.2:0", "--peer", &served.host_port(), "-o"]).arg(&out);
    let (code, process) = run("get", command.arg("--input-file").arg(&list));
    let said = process.lines(Stream::Stderr).join("\n");
    assert_eq!(code, IO, "{said}");
    assert!(said.contains("list.txt:3"), "the line that is wrong is named: {said}");
    served.assert_got("by-list");
}

#[test]
fn a_url_that_is_none_of_a_torrent_ends_with_its_reason_and_leaves_nothing() {
    let served = Served::new(42);
    let root = served.place.folder("root");
    fs::write(root.join("page"), "<!DOCTYPE html><title>no</title>").expect("there is room");
    let web = WebServer::start(&root, "127.1.0.80", Manner::Good);
    for (path, wanted, word) in [
        ("nothing.torrent", NOT_FOUND, "404"),
        ("page", BAD_OPTION, "page for people"),
        ("film.bin", BAD_OPTION, "film.bin"),
    ] {
        let out = served.place.folder("nowhere");
        let mut command = served.place.nearcast();
        let (code, process) = run("get", command.args(["get", &web.url(path), "-o"]).arg(&out));
        let said = process.lines(Stream::Stderr).join("\n");
        assert!(code == wanted && said.contains(word), "{path}: {code}: {said}");
        assert_eq!(fs::read_dir(&out).expect("it was made").count(), 0);
    }
}

#[test]
fn a_link_out_of_a_page_keeps_its_peers_and_an_address_may_lack_its_port() {
    let place = Place::new();
    let info = |link: &str| {
        let (code, process) = run("info", place.nearcast().args(["info", link]));
        (code, [process.lines(Stream::Stdout), process.lines(Stream::Stderr)].concat().join("\n"))
    };
    let id = "ab".repeat(32);
    let link = format!("<magnet:?xt=urn:btmh:1220{id}&amp;dn=x&amp;x.ma=/ip4/127.0.0.1/tcp/4800>");
    let (code, said) = info(&link);
    assert!(code == 0 && said.contains("/ip4/127.0.0.1/tcp/4800"), "{said}");
    for link in [id.clone(), format!("magnet?xt=urn:btmh:1220{id}"), format!("magnet:?xt=urn:btih:{id}")] {
        let (code, said) = info(&link);
        assert!(code == 0 && said.contains(&id), "{link}: {said}");
    }
    let (code, process) = run("get", place.nearcast().args(["get", &id, "--peer", ""]));
    let said = process.lines(Stream::Stderr).join("\n");
    assert!(code == BAD_OPTION && said.contains("origin.example:4800"), "{code}: {said}");
}

#[test]
fn a_port_that_nobody_named_gives_way_and_one_that_was_named_does_not() {
    let place = Place::new();
    // If another process has the port, the test works as well.
    let _taken = TcpListener::bind("0.0.0.0:4800");
    let root = place.folder("root");
    let mut command = place.seeder();
    command
        .args(["serve", "--admin", "off", "--root"])
        .arg(&root)
        .arg("--state-dir")
        .arg(place.folder("state"));
    let seeder = Process::start("seeder", &mut command);
    let listening = seeder.wait_for("ready", Stream::Stdout, READY_TIMEOUT, |lines| {
        lines.iter().any(|line| line == "ready").then(|| lines.to_vec())
    });
    let said = seeder.lines(Stream::Stderr).join("\n");
    assert!(said.contains("port 4800 is taken"), "{said}");
    assert!(listening.iter().any(|line| line.starts_with("listening ")), "{listening:?}");

    let named = TcpListener::bind("127.1.0.9:0").expect("a loopback address can be listened on");
    let address = named.local_addr().expect("it listens").to_string();
    let options = SeederOptions {
        root,
        state: place.folder("other"),
        ip: "127.1.0.8".to_owned(),
        port: 0,
        arguments: vec!["--listen".to_owned(), address],
    };
    let (code, process) = run("seeder", &mut Seeder::command(&place, &options));
    let said = process.lines(Stream::Stderr).join("\n");
    assert!(code != 0 && said.contains("in use"), "{code}: {said}");
}

#[test]
fn settings_of_a_file_and_the_environment_hold_and_are_shown_with_where_they_are_from() {
    let served = Served::new(43);
    let file = served.place.path().join("client.toml");
    fs::write(&file, format!("peer = \"{}\"\ndiscover = \"none\"\n", served.host_port()))
        .expect("there is room");
    let config = file.to_str().expect("a plain name");
    let out = served.place.folder("preset");
    let get = Get::new(&served.place, served.torrent(), &out, "127.1.0.2");
    get.variable("NEARCAST_CONFIG", config).finish();
    served.assert_got("preset");

    let mut command = served.place.nearcast();
    command.args(["get", "--check-config", "--config", config, "--up", "1m"]).env("NEARCAST_DOWN", "40Mbps");
    let (code, process) = run("get", &mut command);
    let shown = process.lines(Stream::Stdout).join("\n");
    assert_eq!(code, 0, "{}", process.tail());
    for part in ["client.toml:1", "NEARCAST_DOWN", "command line", "default"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    fs::write(&file, "tracer = \"a.example\"\n").expect("there is room");
    let (code, process) = run("get", served.place.nearcast().args(["get", "x", "--config", config]));
    let said = process.lines(Stream::Stderr).join("\n");
    assert!(code == BAD_OPTION && said.contains("did you mean tracker?"), "{code}: {said}");
}

#[test]
fn who_stops_a_download_is_told_once_how_it_goes_on_and_that_is_no_error() {
    let place = Place::new();
    let ids = ["ab".repeat(32), "cd".repeat(32), "ef".repeat(32)];
    let silent = TcpListener::bind("127.1.0.7:0").expect("a loopback address can be listened on");
    let peer = silent.local_addr().expect("it listens").to_string();
    let mut command = place.nearcast();
    command.args(["get", "--listen", "127.1.0.2:0", "--peer", &peer]).args(&ids);
    let client = Process::start("get", &mut command);
    client.wait_for("it asks", Stream::Stderr, PATIENCE, |lines| (lines.len() >= ids.len()).then_some(()));
    client.signal(rustix::process::Signal::INT);
    assert_eq!(client.wait_exit(PATIENCE), 130, "{}", client.tail());
    let said = client.lines(Stream::Stderr);
    assert_eq!(said.iter().filter(|line| line.contains("run the same command")).count(), 1, "{said:?}");
    assert!(!said.iter().any(|line| line.starts_with("error:")), "{said:?}");
}

#[test]
fn events_tell_the_time_the_name_and_the_start_before_any_progress() {
    let served = Served::new(44);
    let client = served.get(&served.published.magnet, "events").with(&["--seed", "forever"]).start();
    client.wait_finished(PATIENCE);
    let events = client.events();
    let at = |name: &str| events.iter().position(|event| event.name() == name);
    assert!(at("started").is_some_and(|started| at("progress").is_none_or(|progress| started < progress)));
    let progress = events.iter().find(|event| event.name() == "progress").expect("it was told how it goes");
    assert_eq!(progress.text("name"), "film.bin");
    // The download is complete, so stopping the seeding is no failure.
    assert_eq!(client.interrupt(PATIENCE), 0, "{}", client.process.tail());
}
