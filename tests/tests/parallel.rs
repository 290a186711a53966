//! Several downloads at once, on one machine and into one folder.

use e2e::{
    cluster::{Client, Get, PATIENCE, Seeder, publish},
    content::{MIB, assert_same, write_random},
    place::Place,
};

const BUSY: i32 = 13;

#[test]
fn different_contents_into_one_folder_do_not_disturb_each_other() {
    let place = Place::new();
    let root = place.folder("root");
    let names: Vec<String> = (0..4).map(|n| format!("film-{n}.bin")).collect();
    let torrents: Vec<_> = (0..)
        .zip(&names)
        .map(|(n, name)| {
            write_random(&root.join(name), 3 * MIB + n, 81 + n);
            publish(&place, &root.join(name), &[]).torrent
        })
        .collect();
    let seeder = Seeder::start(&place, &root, "127.1.0.1");
    let out = place.folder("out");
    let start = |torrent| Get::new(&place, torrent, &out, "127.1.0.2").peer(seeder.address()).start();
    let clients: Vec<Client> = torrents.iter().map(start).collect();
    for client in &clients {
        client.wait_finished(PATIENCE);
        assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    }
    for name in &names {
        assert_same(&root.join(name), &out.join(name));
    }
}

#[test]
fn one_command_gets_several_contents() {
    let place = Place::new();
    let root = place.folder("root");
    let torrents: Vec<_> = ["a.bin", "b.bin"]
        .iter()
        .zip(91..)
        .map(|(name, seed)| {
            write_random(&root.join(name), 2 * MIB, seed);
            publish(&place, &root.join(name), &[]).torrent
        })
        .collect();
    let seeder = Seeder::start(&place, &root, "127.1.0.1");
    let out = place.folder("out");
    let second = torrents[1].to_str().expect("a temporary folder has a plain name");
    let get = Get::new(&place, &torrents[0], &out, "127.1.0.2").peer(seeder.address());
    let client = get.with(&[second]).start();
    assert_eq!(client.process.wait_exit(PATIENCE), 0, "{}", client.process.tail());
    let finished = client.events().iter().filter(|event| event.name() == "finished").count();
    assert_eq!(finished, 2, "{}", client.process.tail());
    assert_same(&root.join("a.bin"), &out.join("a.bin"));
    assert_same(&root.join("b.bin"), &out.join("b.bin"));
}

#[test]
fn a_second_download_of_the_same_content_to_the_same_place_says_busy() {
    let place = Place::new();
    let root = place.folder("root");
    let source = root.join("film.bin");
    write_random(&source, 24 * MIB, 95);
    let torrent = publish(&place, &source, &[]).torrent;
    let seeder = Seeder::start(&place, &root, "127.1.0.1");
    let out = place.folder("out");
    let get =
        |down| Get::new(&place, &torrent, &out, "127.1.0.2").peer(seeder.address()).with(&["--down", down]);
    let first = get("8MiB").start();
    first.wait_bytes(MIB, PATIENCE);
    let second = get("8MiB").start();
    assert_eq!(second.process.wait_exit(PATIENCE), BUSY, "{}", second.process.tail());
    assert!(second.process.tail().contains("another process"), "{}", second.process.tail());
    first.wait_finished(PATIENCE);
    assert_eq!(first.process.wait_exit(PATIENCE), 0, "the first goes on undisturbed");
    assert_same(&source, &out.join("film.bin"));
}
