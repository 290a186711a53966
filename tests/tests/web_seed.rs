//! Any HTTP server works as an origin: alone, beside peers, and however it behaves, but never at a
//! forbidden address.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use e2e::{
    cluster::{Client, Get, PATIENCE, Published, Seeder, SeederOptions, publish, publish_to, run},
    content::{MIB, assert_same, write_folder, write_random},
    place::Place,
    probe::Summary,
    process::Stream,
    proxy::Proxy,
    web::{Manner, WebServer},
};

const SIZE_BYTES: u64 = 20 * MIB + 54_321;
/// Bytes requested to see whether a server has the file and serves ranges.
const PROBE_BYTES: u64 = 1;
/// The most copies that four clients may take from the server when they know each other only while
/// they fetch: one copy, and what is requested twice on the way. On a busy machine they meet late.
/// Four clients that never meet would take four copies.
const CROWD_COPIES_MAX: f64 = 3.0;
/// Pause between the bytes of a server that only seems alive.
const DRIP: Duration = Duration::from_millis(200);
/// Exit codes.
const TIMED_OUT: i32 = 2;
const NOT_FOUND: i32 = 3;
const UNREACHABLE: i32 = 6;
const BAD_OPTION: i32 = 28;

/// A film on a web server, and a torrent that does not name the server.
struct Film {
    place: Place,
    source: PathBuf,
    published: Published,
}

impl Film {
    fn new(piece_size: &str) -> Film {
        let place = Place::new();
        let source = place.folder("root").join("film.bin");
        write_random(&source, SIZE_BYTES, 77);
        let published = publish(&place, &source, &["--piece-size", piece_size]);
        Film { place, source, published }
    }

    fn root(&self) -> &Path {
        self.source.parent().expect("the film lies in the root")
    }

    fn serve(&self, manner: Manner) -> WebServer {
        WebServer::start(self.root(), "127.1.0.80", manner)
    }

    fn get(&self, ip: &str) -> Get {
        Get::new(&self.place, &self.published.torrent, &self.place.folder(ip), ip)
    }

    fn assert_got(&self, ip: &str) {
        assert_same(&self.source, &self.place.folder(ip).join("film.bin"));
    }

    /// Gets the film from one URL alone, and checks it.
    fn finish_alone(&self, url: &str) -> Summary {
        let summary = self.get("127.1.0.2").with(&["--web-seed", url]).finish();
        self.assert_got("127.1.0.2");
        assert_eq!(summary.from_web_seeds(), SIZE_BYTES, "{summary:?}");
        assert_eq!((summary.received(), summary.wasted, summary.banned), (SIZE_BYTES, 0, 0));
        summary
    }

    /// Fails to get the film with these arguments. Returns the exit code and the output.
    fn fail(&self, source: &str, arguments: &[&str]) -> (i32, String) {
        let out = self.place.folder("out");
        let mut command = self.place.nearcast();
        command.args(["get", source, "--listen", "/ip4/127.1.0.3/tcp/0", "--timeout", "3s", "-o"]).arg(&out);
        let (code, process) = run("get", command.args(arguments));
        assert_ne!(code, 0, "{}", process.tail());
        (code, process.lines(Stream::Stderr).join("\n"))
    }

    fn torrent(&self) -> &str {
        self.published.torrent.to_str().expect("the temporary folder has a plain name")
    }
}

#[test]
fn alone_it_gives_everything_once_whatever_the_size_of_the_pieces() {
    for (piece_size, run_bytes) in [("64KiB", 64 * 1024), ("256KiB", 256 * 1024), ("4MiB", 256 * 1024)] {
        let film = Film::new(piece_size);
        let server = film.serve(Manner::Good);
        film.finish_alone(&server.url("film.bin"));
        assert_eq!(server.seen().bytes, SIZE_BYTES + PROBE_BYTES, "{piece_size}: each byte once");
        let requests_max = (SIZE_BYTES / run_bytes) as u32;
        assert!(server.seen().requests < requests_max, "{piece_size}: {:?}", server.seen());
    }
}

#[test]
fn a_folder_comes_file_by_file_and_a_url_that_ends_in_a_slash_is_where_a_file_lies() {
    let place = Place::new();
    let root = place.folder("root");
    let source = write_folder(&root, "a holiday", 12);
    let published = publish(&place, &source, &["--piece-size", "1MiB"]);
    let server = WebServer::start(&root, "127.1.0.80", Manner::Good);
    for (ip, url) in
        [("127.1.0.2", server.url("")), ("127.1.0.3", server.url("").trim_end_matches('/').to_owned())]
    {
        let out = place.folder(ip);
        let summary = Get::new(&place, &published.torrent, &out, ip).with(&["--web-seed", &url]).finish();
        assert_same(&source, &out.join("a holiday"));
        assert_eq!(summary.from_web_seeds(), summary.bytes);
    }
    let film = Film::new("256KiB");
    film.finish_alone(&film.serve(Manner::Good).url(""));
}

#[test]
fn a_server_without_ranges_is_read_from_the_start_and_little_is_thrown_away() {
    let film = Film::new("1MiB");
    let server = film.serve(Manner::WholeOnly);
    film.finish_alone(&server.url("film.bin"));
    // The part before the random start comes twice, and the bytes on their way at the probe are
    // lost.
    assert!(server.seen().bytes <= 3 * SIZE_BYTES, "{:?}", server.seen());
}

#[test]
fn a_server_that_is_busy_or_breaks_off_is_asked_again() {
    let film = Film::new("1MiB");
    for manner in [Manner::Busy(2), Manner::Truncated(2)] {
        let server = film.serve(manner.clone());
        film.finish_alone(&server.url("film.bin"));
        assert!(server.seen().requests > 2, "{manner:?}");
        fs::remove_file(film.place.folder("127.1.0.2").join("film.bin")).expect("it has just come");
    }
}

#[test]
fn a_download_goes_on_where_it_was_interrupted() {
    let film = Film::new("1MiB");
    let server = film.serve(Manner::Held(12 * MIB));
    let url = server.url("film.bin");
    let client = film.get("127.1.0.2").with(&["--web-seed", &url]).start();
    client.wait_bytes(4 * MIB, PATIENCE);
    assert_eq!(client.interrupt(PATIENCE), 130, "{}", client.process.tail());
    server.let_go();
    let summary = film.get("127.1.0.2").with(&["--web-seed", &url]).finish();
    film.assert_got("127.1.0.2");
    assert!(summary.received() <= SIZE_BYTES - 4 * MIB, "{summary:?}");
    assert_eq!(summary.received(), summary.from_web_seeds());
}

#[test]
fn machines_that_disagree_about_a_file_are_judged_by_its_bytes() {
    for piece_size in ["64KiB", "4MiB"] {
        let film = Film::new(piece_size);
        let server = film.serve(Manner::Changing);
        film.finish_alone(&server.url("film.bin"));
        assert_eq!(server.seen().bytes, SIZE_BYTES + PROBE_BYTES, "{piece_size}: parts, and never all of it");
    }
}

#[test]
fn a_file_that_is_replaced_while_it_comes_is_given_up_and_said() {
    let film = Film::new("256KiB");
    let server = film.serve(Manner::Replaced(3));
    let (code, said) = film.fail(film.torrent(), &["--web-seed", &server.url("film.bin")]);
    assert!([TIMED_OUT, NOT_FOUND, UNREACHABLE].contains(&code), "{code}: {said}");
    assert!(said.contains("corrupt data") && said.contains("changed while"), "{said}");
}

#[test]
fn a_server_that_sends_less_than_it_is_asked_for_is_asked_for_the_rest() {
    for (piece_size, most) in [("64KiB", 100_000), ("4MiB", 100_000), ("4MiB", 3 * MIB + 1)] {
        let film = Film::new(piece_size);
        let server = film.serve(Manner::Short(most));
        film.finish_alone(&server.url("film.bin"));
        assert_eq!(server.seen().bytes, SIZE_BYTES + PROBE_BYTES, "{piece_size}, {most}: each byte once");
    }
}

#[test]
fn a_server_that_is_asked_too_often_is_asked_one_thing_at_a_time_until_all_is_here() {
    for manner in [Manner::Limited(Duration::from_millis(300)), Manner::OneByOne] {
        let film = Film::new("1MiB");
        let server = film.serve(manner.clone());
        film.finish_alone(&server.url("film.bin"));
        let seen = server.seen();
        // For the server that takes one request at a time, it is chance whether two requests meet.
        let refuses = !matches!(manner, Manner::OneByOne);
        assert!(seen.limited < seen.requests && (seen.limited > 0 || !refuses), "{manner:?}: {seen:?}");
    }
}

#[test]
fn a_server_that_says_nothing_but_no_keeps_a_download_waiting_no_longer_than_its_patience() {
    let film = Film::new("1MiB");
    let server = film.serve(Manner::Busy(u32::MAX));
    let (code, said) = film.fail(film.torrent(), &["--web-seed", &server.url("film.bin")]);
    assert!([TIMED_OUT, UNREACHABLE].contains(&code) && said.contains("503"), "{code}: {said}");
}

#[test]
fn what_a_server_calls_compressed_is_judged_by_its_bytes() {
    let film = Film::new("256KiB");
    let server = film.serve(Manner::Mislabelled);
    film.finish_alone(&server.url("film.bin"));
    let seen = server.seen();
    assert_eq!(seen.plain, seen.requests, "nothing but the bytes as they are was asked for");
}

#[test]
fn a_proxy_is_gone_through_as_option_and_environment_say() {
    let film = Film::new("1MiB");
    let (server, proxy) = (film.serve(Manner::Good), Proxy::start("127.1.0.90", Some("me:secret")));
    let url = server.url("film.bin");
    let out = |name: &str| film.place.folder(name);
    let named = Get::new(&film.place, &film.published.torrent, &out("named"), "127.1.0.2");
    let address = proxy.url("me:secret@");
    let summary = named.with(&["--web-seed", &url, "--proxy", &address]).finish();
    assert_eq!(summary.from_web_seeds(), SIZE_BYTES);
    assert_same(&film.source, &out("named").join("film.bin"));
    let through = proxy.requests();
    assert!(through > 0 && through >= server.seen().requests, "{through} of {:?}", server.seen());

    let of_environment = |name: &str, variables: &[(&str, &str)]| {
        let get = Get::new(&film.place, &film.published.torrent, &out(name), "127.1.0.2");
        let get = variables.iter().fold(get, |get, (name, value)| get.variable(name, value));
        get.with(&["--web-seed", &url]).finish()
    };
    of_environment("by-variable", &[("http_proxy", &address)]);
    assert!(proxy.requests() > through);
    let before = proxy.requests();
    of_environment("excepted", &[("http_proxy", &address), ("no_proxy", "127.0.0.0/8")]);
    of_environment("capitals", &[("HTTP_PROXY", &address)]);
    assert_eq!(proxy.requests(), before, "neither went through it");

    let (code, said) = film.fail(film.torrent(), &["--web-seed", &url, "--proxy", &proxy.url("")]);
    assert!(code == UNREACHABLE && said.contains("user and password"), "{code}: {said}");
    let (code, said) = film.fail(film.torrent(), &["--web-seed", &url, "--proxy", "ftp://a.example"]);
    assert!(code == BAD_OPTION && said.contains("socks5h"), "{code}: {said}");
}

#[test]
fn a_missing_file_and_one_of_another_length_are_given_up_at_once() {
    let film = Film::new("256KiB");
    let server = film.serve(Manner::Good);
    let (code, said) = film.fail(film.torrent(), &["--web-seed", &server.url("nothing.bin")]);
    assert!(code == UNREACHABLE && said.contains("404"), "{code}: {said}");
    assert_eq!(server.seen().requests, 1, "asked once and never again");
    fs::write(film.root().join("short.bin"), b"short").expect("there is room");
    let (code, said) = film.fail(film.torrent(), &["--web-seed", &server.url("short.bin")]);
    assert!(code == UNREACHABLE && said.contains("5 bytes"), "{code}: {said}");
}

#[test]
fn a_torrent_cannot_send_us_into_our_own_network() {
    let film = Film::new("256KiB");
    let server = film.serve(Manner::Good);
    let torrent = film.place.path().join("evil.torrent");
    let url = server.url("film.bin");
    let evil =
        publish_to(&film.place, &film.source, &torrent, &["--piece-size", "256KiB", "--web-seed", &url]);
    let (code, said) = film.fail(torrent.to_str().expect("a plain name"), &[]);
    assert!(code == UNREACHABLE && said.contains("that is this machine"), "{code}: {said}");
    assert!(said.contains("--web-seed"), "it says what to do: {said}");
    assert_eq!(server.seen().requests, 0);
    // A user who trusts the address names it.
    let get = Get::new(&film.place, &evil.torrent, &film.place.folder("127.1.0.2"), "127.1.0.2");
    assert_eq!(get.with(&["--web-seed", &url]).finish().from_web_seeds(), SIZE_BYTES);
}

#[test]
fn a_redirect_is_followed_on_its_own_host_and_refused_into_the_network_behind() {
    let film = Film::new("256KiB");
    let inner = WebServer::start(film.root(), "127.1.0.81", Manner::Good);
    let outer = film.serve(Manner::Redirect(inner.url("moved").trim_end_matches('/').to_owned()));
    let (code, said) = film.fail(film.torrent(), &["--web-seed", &outer.url("film.bin")]);
    assert!(code == UNREACHABLE && said.contains("127.1.0.81"), "{code}: {said}");
    assert_eq!((outer.seen().requests, inner.seen().requests), (1, 0));

    let moved = film.serve(Manner::Redirect("/moved".to_owned()));
    let url = moved.url("film.bin").replace("http://", "http://me:secret@");
    film.finish_alone(&url);
    let seen = moved.seen();
    assert!(
        seen.with_credentials > 0 && seen.with_credentials < seen.requests,
        "not along redirects: {seen:?}"
    );

    let (_, said) =
        film.fail(film.torrent(), &["--overwrite", "--web-seed", "http://me:secret@127.0.0.1:1/x"]);
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_false_byte_bans_it_and_the_rest_comes_from_peers() {
    for piece_size in ["256KiB", "4MiB"] {
        let film = Film::new(piece_size);
        let server = film.serve(Manner::Corrupt);
        let state = film.place.folder("state");
        let seeder = Seeder::start_with(
            &film.place,
            &SeederOptions {
                root: film.root().to_owned(),
                state,
                ip: "127.1.0.1".to_owned(),
                port: 0,
                arguments: vec!["--up".to_owned(), "16MiB".to_owned()],
            },
        );
        let get = film.get("127.1.0.2").peer(seeder.address());
        let client = get.with(&["--web-seed", &server.url("film.bin")]).start();
        let summary = client.wait_finished(PATIENCE);
        film.assert_got("127.1.0.2");
        assert_eq!(summary.banned, 1, "{piece_size}: {}", client.process.tail());
        assert!(summary.wasted > 0 && summary.from_origin() > 0, "{piece_size}: {summary:?}");
        let said = client.process.lines(Stream::Stderr).join("\n");
        assert!(said.contains("corrupt data") && said.contains("film.bin"), "{piece_size}: {said}");
    }
}

/// A port of this address that nothing uses.
fn free_port(ip: &str) -> u16 {
    let listener = TcpListener::bind((ip, 0)).expect("a loopback address can be listened on");
    listener.local_addr().expect("it listens").port()
}

/// A client that others can find, and its address.
fn found(film: &Film, ip: &str) -> (Get, String) {
    let address = format!("/ip4/{ip}/tcp/{}", free_port(ip));
    (film.get(ip).with(&["--listen", &address]), address)
}

#[test]
fn a_web_seed_that_sends_a_byte_now_and_then_does_not_keep_a_download_waiting() {
    let film = Film::new("256KiB");
    let server = film.serve(Manner::Drip(DRIP));
    let (url, out) = (server.url("film.bin"), film.place.folder("out"));
    let mut command = film.place.nearcast();
    command.args(["get", film.torrent(), "--listen", "/ip4/127.1.0.3/tcp/0", "--timeout", "6s"]);
    let (code, process) = run("get", command.args(["--web-seed", &url, "-o"]).arg(&out));
    assert_eq!(code, TIMED_OUT, "{}", process.tail());
    assert!(server.seen().bytes > PROBE_BYTES, "it sent nothing: {:?}", server.seen());
}

#[test]
fn peers_come_first_and_the_web_seed_gives_what_they_lack() {
    let film = Film::new("256KiB");
    let server = film.serve(Manner::Slow(MIB));
    let url = server.url("film.bin");
    // This client has everything and is not an origin.
    let (giver, address) = found(&film, "127.2.0.1");
    let giver = giver.with(&["--web-seed", &url, "--seed", "forever"]).start();
    giver.wait_finished(PATIENCE);
    let summary = film.get("127.3.0.1").peer(&address).with(&["--web-seed", &url]).finish();
    film.assert_got("127.3.0.1");
    let share = summary.from_web_seeds() as f64 / SIZE_BYTES as f64;
    assert!(share < 0.5, "{share:.2} from the web seed although a peer has everything: {summary:?}");
}

#[test]
fn a_crowd_shares_what_it_gets_from_a_web_seed() {
    let film = Film::new("256KiB");
    let server = film.serve(Manner::Slow(MIB / 2));
    let url = server.url("film.bin");
    let (first, address) = found(&film, "127.2.0.1");
    let others = (2..5).map(|n| film.get(&format!("127.{n}.0.9")).peer(&address));
    let crowd = std::iter::once(first).chain(others);
    let clients: Vec<Client> =
        crowd.map(|get| get.with(&["--web-seed", &url, "--seed", "forever"]).start()).collect();
    let summaries: Vec<Summary> = clients.iter().map(|client| client.wait_finished(PATIENCE)).collect();
    let copies = server.seen().bytes as f64 / SIZE_BYTES as f64;
    println!("{copies:.2} copies");
    assert!(summaries.iter().all(|summary| summary.received() > summary.from_web_seeds()), "{summaries:#?}");
    assert!((1.0..CROWD_COPIES_MAX).contains(&copies), "{copies:.2} copies: {summaries:#?}");
}

#[test]
fn a_link_with_web_seeds_alone_says_that_nobody_can_give_the_metainfo() {
    let film = Film::new("256KiB");
    let link = format!("{}&ws=http://a.example/film.bin", film.published.magnet);
    let (code, said) = film.fail(&link, &[]);
    assert!(code == UNREACHABLE && said.contains("metainfo") && said.contains(".torrent"), "{code}: {said}");
}

#[test]
fn time_is_bounded_when_nobody_answers() {
    let film = Film::new("256KiB");
    let (code, said) = film.fail(film.torrent(), &["--web-seed", "http://127.0.0.1:1/film.bin"]);
    assert!(code == UNREACHABLE && said.contains("http://127.0.0.1:1/film.bin"), "{code}: {said}");
}
