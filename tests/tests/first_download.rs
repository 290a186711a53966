//! A person publishes a folder, an operator serves it, another person gets it.

use std::fs;

use e2e::{
    cluster::{Get, Published, Seeder, publish, publish_to, run},
    content::{assert_same, write_folder},
    place::Place,
    process::Stream,
};

/// A published and served folder.
struct Served {
    place: Place,
    source: std::path::PathBuf,
    published: Published,
    seeder: Seeder,
}

fn serve() -> Served {
    let place = Place::new();
    let root = place.folder("root");
    let source = write_folder(&root, "holiday", 11);
    let published = publish(&place, &source, &[]);
    let seeder = Seeder::start(&place, &root, "127.1.0.1");
    Served { place, source, published, seeder }
}

#[test]
fn a_published_folder_arrives_byte_for_byte() {
    let served = serve();
    let out = served.place.folder("out");
    let get = Get::new(&served.place, &served.published.torrent, &out, "127.1.0.2");
    let summary = get.peer(served.seeder.address()).finish();
    assert_same(&served.source, &out.join("holiday"));
    assert_eq!(summary.content, served.published.content());
    assert_eq!(summary.received(), summary.bytes, "each byte came once");
    assert_eq!(summary.from_origin(), summary.bytes, "the only source is the origin");
    assert_eq!((summary.wasted, summary.banned), (0, 0));
}

#[test]
fn getting_again_receives_nothing_and_needs_nobody() {
    let served = serve();
    let out = served.place.folder("out");
    let get = || Get::new(&served.place, &served.published.torrent, &out, "127.1.0.3");
    get().peer(served.seeder.address()).finish();
    served.seeder.process.kill();
    let again = get().finish();
    assert_eq!(again.received(), 0);
    assert_eq!(again.bytes, fs_bytes(&served.source));
    assert_same(&served.source, &out.join("holiday"));
}

#[test]
fn a_magnet_link_and_one_peer_suffice() {
    let served = serve();
    let out = served.place.folder("out");
    let get = Get::new(&served.place, &served.published.magnet, &out, "127.1.0.4");
    get.peer(served.seeder.address()).finish();
    assert_same(&served.source, &out.join("holiday"));
}

#[test]
fn a_magnet_link_that_names_its_peer_needs_no_option() {
    let served = serve();
    let torrent = served.place.path().join("again.torrent");
    let peer = ["--peer", served.seeder.address()];
    let again = publish_to(&served.place, &served.source, &torrent, &peer);
    assert_eq!(again.content(), served.published.content(), "hints are no part of the content");
    let out = served.place.folder("out");
    Get::new(&served.place, &again.magnet, &out, "127.1.0.5").finish();
    assert_same(&served.source, &out.join("holiday"));
}

#[test]
fn info_tells_what_a_torrent_and_a_link_name() {
    let served = serve();
    for source in [served.published.torrent.as_os_str(), served.published.magnet.as_ref()] {
        let (code, process) = run("info", served.place.nearcast().arg("info").arg(source));
        assert_eq!(code, 0, "{}", process.tail());
        let stdout = process.lines(Stream::Stdout).join("\n");
        assert!(stdout.contains(served.published.content()), "{stdout}");
        assert!(stdout.contains("holiday"), "{stdout}");
    }
}

#[test]
fn verify_accepts_what_is_whole_and_names_what_is_not() {
    let served = serve();
    let folder = served.source.parent().expect("the source lies in the root");
    let verify = || {
        let mut command = served.place.nearcast();
        command.arg("verify").arg(&served.published.torrent).arg(folder);
        run("verify", &mut command)
    };
    let (code, process) = verify();
    assert_eq!(code, 0, "{}", process.tail());
    let victim = served.source.join("deep/run and a bit.bin");
    let mut bytes = fs::read(&victim).expect("the source can be read");
    bytes[123_456] ^= 1;
    fs::write(&victim, bytes).expect("the source can be written");
    let (code, process) = verify();
    assert_eq!(code, 32, "{}", process.tail());
    let said = process.lines(Stream::Stdout).join("\n");
    assert!(said.contains("run and a bit.bin"), "{}", process.tail());
    assert!(!said.contains("block.bin"), "only what is bad is named\n{}", process.tail());
}

fn fs_bytes(folder: &std::path::Path) -> u64 {
    let files = e2e::place::listing(folder);
    let lengths = files.iter().map(|path| fs::metadata(folder.join(path)).expect("it was listed"));
    lengths.filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}
