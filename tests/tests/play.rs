//! A film is shown while it comes: a plain HTTP client stands for the player.

use std::{fs, path::PathBuf, thread};

use e2e::{
    cluster::{Client, PATIENCE, Published, READY_TIMEOUT, Seeder, SeederOptions, publish},
    content::{MIB, Random, fresh_seed, write_folder, write_random},
    place::Place,
    player::{ask, parts, range},
    process::{Process, Stream},
};
use rustix::process::Signal;

/// A film that is published and served at a limited rate.
struct Film {
    place: Place,
    bytes: Vec<u8>,
    published: Published,
    seeder: Seeder,
    out: PathBuf,
}

fn film(bytes: u64, up: &str) -> Film {
    let place = Place::new();
    let root = place.folder("root");
    let path = root.join("film.mp4");
    write_random(&path, bytes, 77);
    let published = publish(&place, &path, &[]);
    let options = SeederOptions {
        state: place.folder("seeder"),
        root,
        ip: "127.1.0.1".to_owned(),
        port: 0,
        arguments: vec!["--up".to_owned(), up.to_owned()],
    };
    let seeder = Seeder::start_with(&place, &options);
    let out = place.folder("out");
    Film { bytes: fs::read(&path).expect("it was written"), place, published, seeder, out }
}

impl Film {
    fn play(&self, arguments: &[&str]) -> Process {
        let mut command = self.place.nearcast();
        command.arg("play").arg(&self.published.torrent).arg("-o").arg(&self.out);
        command.args(["--peer", self.seeder.address(), "--listen", "/ip4/127.1.0.2/tcp/0"]);
        Process::start("play", command.args(arguments))
    }

    fn of(&self, first: u64, last: u64) -> &[u8] {
        &self.bytes[first as usize..=last as usize]
    }
}

/// The URL that `play --player none` prints.
fn url(play: &Process) -> String {
    play.wait_for("the URL", Stream::Stdout, READY_TIMEOUT, |lines| {
        lines.iter().find(|line| line.starts_with("http://")).cloned()
    })
}

/// The URL that `play --player none --json` tells.
fn told_url(play: &Client) -> String {
    play.wait_event("the URL", READY_TIMEOUT, |event| {
        (event.name() == "playing").then(|| event.text("url").to_owned())
    })
}

#[test]
fn a_player_gets_what_was_published_wherever_it_asks_while_it_comes() {
    let film = film(12 * MIB + 4_321, "4MiB");
    let play = film.play(&["--player", "none"]);
    let (url, length) = (url(&play), film.bytes.len() as u64);
    let seed = fresh_seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for _ in 0..60 {
        let first = random.between(0, length);
        let last = (first + random.between(0, 400_000)).min(length - 1);
        let reply = range(&url, first, last);
        assert_eq!(reply.status, 206);
        assert_eq!(reply.header("content-range"), format!("bytes {first}-{last}/{length}"));
        assert!(reply.body == film.of(first, last), "bytes {first} to {last}");
    }
    let end = ask("GET", &url, &["Range: bytes=-1000".to_owned()]);
    assert!(end.status == 206 && end.body == film.of(length - 1_000, length - 1));
    let beyond = ask("GET", &url, &[format!("Range: bytes={}-", length - 10)]);
    assert!(beyond.status == 206 && beyond.body.len() == 10);
    let whole = ask("GET", &url, &[]);
    assert!(whole.status == 200 && whole.body == film.bytes);
    play.signal(Signal::INT);
    assert_eq!(play.wait_exit(PATIENCE), 0, "everything is here\n{}", play.tail());
    play.assert_group_gone();
}

#[test]
fn what_is_no_ordinary_request_of_the_player_is_answered_by_the_book() {
    let film = film(MIB, "8MiB");
    let play = film.play(&["--player", "none"]);
    let (url, length) = (url(&play), film.bytes.len() as u64);
    let head = ask("HEAD", &url, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), length.to_string());
    assert_eq!((head.header("content-type"), head.header("accept-ranges")), ("video/mp4", "bytes"));
    let tag = head.header("etag").to_owned();
    assert!(tag.contains(film.published.content()), "{tag}");
    let past = range(&url, length, length + 5);
    assert_eq!((past.status, past.header("content-range")), (416, format!("bytes */{length}").as_str()));
    let if_range = |tag: &str| {
        let reply = ask("GET", &url, &["Range: bytes=0-9".to_owned(), format!("If-Range: {tag}")]);
        (reply.status, reply.body.len() as u64)
    };
    assert_eq!((if_range(&tag), if_range("\"another\"")), ((206, 10), (200, length)));

    let (address, path) = parts(&url);
    let foreign = |line: &str| ask("GET", &url, &[line.to_owned()]).status;
    assert_eq!(foreign("Host: evil.example"), 403);
    assert_eq!(
        foreign(&format!("Host: evil.example:{}", address.split(':').nth(1).unwrap_or_default())),
        403
    );
    assert_eq!(foreign("Origin: http://evil.example"), 403);
    let name = path.rsplit('/').next().unwrap_or_default();
    for wrong in ["/", "/0", &format!("/0/{name}"), &format!("/{}/0/{name}", "0".repeat(32))] {
        assert_eq!(ask("GET", &format!("http://{address}{wrong}"), &[]).status, 403, "{wrong}");
    }
    let other = path.replacen("/0/", "/7/", 1);
    assert_eq!(ask("GET", &format!("http://{address}{other}"), &[]).status, 404);
    play.signal(Signal::TERM);
    play.wait_exit(PATIENCE);
    play.assert_group_gone();
}

#[test]
fn two_readers_elsewhere_are_served_before_the_rest() {
    let film = film(24 * MIB, "1MiB");
    let play = Client { process: film.play(&["--player", "none", "--json", "--bitrate", "4Mbit"]) };
    let (url, length) = (told_url(&play), film.bytes.len() as u64);
    let read = |first: u64| {
        let (url, last) = (url.clone(), first + MIB - 1);
        thread::spawn(move || range(&url, first, last))
    };
    let places = [length - MIB, 9 * MIB];
    for (reader, first) in places.map(|first| (read(first), first)) {
        let reply = reader.join().expect("it reads");
        assert!(reply.status == 206 && reply.body == film.of(first, first + MIB - 1));
    }
    let bytes = play.events().iter().rfind(|event| event.name() == "progress").map(|it| it.number("bytes"));
    assert!(bytes.is_none_or(|bytes| bytes < length / 2), "{bytes:?} of {length} were here before");
    play.process.signal(Signal::INT);
    assert_eq!(play.process.wait_exit(PATIENCE), 130, "it goes on another time");
    let played = play.events().into_iter().find(|event| event.name() == "played");
    let played = played.unwrap_or_else(|| panic!("the figures are told\n{}", play.process.tail()));
    assert!(played.number("shown_bytes") >= 2 * MIB && played.number("requests") == 2);
}

#[test]
fn several_files_are_a_list_and_only_what_can_be_watched_is_in_it() {
    let place = Place::new();
    let source = write_folder(&place.folder("root"), "series", 5);
    write_random(&source.join("e01.mkv"), 300_000, 8);
    let published = publish(&place, &source, &[]);
    let seeder = Seeder::start(&place, &place.folder("root"), "127.1.0.1");
    let mut command = place.nearcast();
    command.arg("play").arg(&published.magnet).arg("-o").arg(place.folder("out"));
    command.args(["--peer", seeder.address(), "--listen", "/ip4/127.1.0.2/tcp/0", "--player", "none"]);
    let play = Process::start("play", &mut command);
    let list = ask("GET", &url(&play), &[]);
    assert_eq!((list.status, list.header("content-type")), (200, "audio/x-mpegurl; charset=utf-8"));
    let text = String::from_utf8(list.body).expect("it is text");
    let urls: Vec<&str> = text.lines().filter(|line| line.starts_with("http://")).collect();
    assert_eq!(urls.len(), 2, "{text}");
    let first = ask("GET", urls[0], &[]);
    assert!(first.body == fs::read(source.join("e01.mkv")).expect("it was written"));
    play.signal(Signal::INT);
    play.wait_exit(PATIENCE);
}

#[test]
fn the_program_ends_with_its_player_and_the_player_with_the_program() {
    let film = film(8 * MIB, "1MiB");
    let good = film.play(&["--player", "true {}"]);
    assert_eq!(good.wait_exit(PATIENCE), 0, "{}", good.tail());
    let bad = film.play(&["--player", "sh -c 'exit 3'"]);
    assert_eq!(bad.wait_exit(PATIENCE), 1, "{}", bad.tail());
    assert!(bad.tail().contains("exit code 3"), "{}", bad.tail());
    let none = film.play(&["--player", "/nowhere/player"]);
    assert_eq!(none.wait_exit(PATIENCE), 17, "{}", none.tail());
    let long = film.play(&["--player", "sh -c 'echo plays >&2; exec sleep 600'"]);
    long.wait_for("the player", Stream::Stderr, READY_TIMEOUT, |lines| {
        lines.iter().any(|line| line == "plays").then_some(())
    });
    let busy = film.play(&["--player", "true"]);
    assert_ne!(busy.wait_exit(PATIENCE), 0, "somebody else uses the folder");
    assert!(!busy.tail().contains("nothing to play"), "that is not the reason\n{}", busy.tail());
    // To the program alone: it ends the player.
    long.signal(Signal::TERM);
    assert_eq!(long.wait_exit(PATIENCE), 143, "{}", long.tail());
    long.assert_group_gone();
}

#[test]
fn after_a_kill_the_same_command_goes_on_with_what_was_there() {
    let film = film(16 * MIB, "2MiB");
    let start = || Client { process: film.play(&["--player", "none", "--json"]) };
    let play = start();
    let reply = range(&told_url(&play), 0, 2 * MIB - 1);
    assert!(reply.body == film.of(0, 2 * MIB - 1));
    let durable = play.wait_event("something is durable", PATIENCE, |event| {
        let bytes = (event.name() == "progress").then(|| event.number("durable_bytes"));
        bytes.filter(|&bytes| bytes >= MIB)
    });
    play.process.kill();
    let again = start();
    let resumed = again.wait_event("it looked at what is there", PATIENCE, |event| {
        (event.name() == "started").then(|| event.number("bytes_resumed"))
    });
    assert!(resumed >= durable, "{resumed} of {durable} bytes");
    let reply = range(&told_url(&again), MIB, 3 * MIB - 1);
    assert!(reply.body == film.of(MIB, 3 * MIB - 1));
    again.process.signal(Signal::INT);
    again.process.wait_exit(PATIENCE);
}

#[test]
fn get_to_standard_output_writes_the_file_in_order_and_nothing_else() {
    let film = film(3 * MIB + 17, "8MiB");
    let mut command = film.place.nearcast();
    command.arg("get").arg(&film.published.torrent).args(["-o", "-", "--listen", "/ip4/127.1.0.3/tcp/0"]);
    let get = Process::start("get -o -", command.args(["--peer", film.seeder.address()]));
    assert_eq!(get.wait_exit(PATIENCE), 0, "{}", get.tail());
    assert!(get.bytes(Stream::Stdout) == film.bytes);

    let place = Place::new();
    let folder = write_folder(&place.folder("root"), "many", 6);
    let published = publish(&place, &folder, &[]);
    let seeder = Seeder::start(&place, &place.folder("root"), "127.1.0.4");
    let get = |arguments: &[&str]| {
        let mut command = place.nearcast();
        command.arg("get").arg(&published.torrent).args(["-o", "-", "--listen", "/ip4/127.1.0.5/tcp/0"]);
        let process = Process::start("get -o -", command.args(["--peer", seeder.address()]).args(arguments));
        (process.wait_exit(PATIENCE), process.bytes(Stream::Stdout))
    };
    assert_eq!(get(&[]), (28, Vec::new()), "there are several files");
    let one = fs::read(folder.join("block and a byte.bin")).expect("it was written");
    assert_eq!(get(&["--select", "block and a byte.bin"]), (0, one));
}
