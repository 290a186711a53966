//! The system refuses resources: no open files, no room on the disk, no right to read. The program
//! reports each once and waits for it, and everything else goes on.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use e2e::{
    cluster::{Get, PATIENCE, Published, Seeder, SeederOptions, publish, run, under},
    content::{MIB, assert_same, digest, write_random},
    place::Place,
    process::Stream,
    stranger::{Stranger, address},
    vitals::{Vitals, wait_vitals},
};
use futures::{StreamExt, stream};
use rustix::process::Signal;

const OPEN_FILES_MAX: usize = 256;
/// Time over which processor time is measured.
const WATCHED: Duration = Duration::from_secs(3);

fn served(place: &Place, script: &str) -> (Published, Seeder) {
    let root = place.folder("root");
    write_random(&root.join("film.bin"), 24 * MIB, 5);
    let published = publish(place, &root.join("film.bin"), &[]);
    let options = SeederOptions {
        root,
        state: place.folder("state"),
        ip: "127.1.0.1".to_owned(),
        port: 0,
        arguments: Vec::new(),
    };
    let seeder = Seeder::start_under(script, place, &options);
    (published, seeder)
}

#[test]
fn a_seeder_without_open_files_pauses_and_serves_whom_it_has() {
    let place = Place::new();
    let (published, seeder) = served(&place, &format!("ulimit -n {OPEN_FILES_MAX}; exec \"$@\""));
    let before = Vitals::of(&seeder.process);
    let out = place.folder("out");
    let get = |ip: &str| Get::new(&place, &published.torrent, &out, ip).peer(seeder.address());
    let client = get("127.1.0.9").with(&["--down", "1MiB"]).start();
    client.wait_bytes(MIB, PATIENCE);

    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let to = (std::net::Ipv4Addr::new(127, 1, 0, 1), seeder.port()).into();
    let crowd = stream::iter(0..2 * OPEN_FILES_MAX).map(|number| async move {
        // Strangers that are not accepted would wait for ever.
        tokio::time::timeout(Duration::from_secs(5), Stranger::meet(address(number), to)).await.ok()?.ok()
    });
    let crowd: Vec<Option<Stranger>> = runtime.block_on(crowd.buffer_unordered(OPEN_FILES_MAX).collect());
    let full = Vitals::of(&seeder.process);
    let met = crowd.iter().flatten().count();
    println!("{met} of {} strangers let in, {} files open", crowd.len(), full.open_files);
    // How many strangers get in depends on how many handshakes run at a time. The files reserved
    // for the disks do not.
    assert!(met > 8 && full.open_files < OPEN_FILES_MAX - 8);

    // A busy loop shows in processor time: it would use a whole core.
    std::thread::sleep(WATCHED);
    let cpu = Vitals::of(&seeder.process).cpu - full.cpu;
    println!("{cpu:?} of processor time in {WATCHED:?}");
    assert!(cpu < WATCHED / 2, "{cpu:?} in {WATCHED:?}");
    let complaints = seeder.process.lines(Stream::Stderr);
    let complaints = complaints.iter().filter(|line| line.contains("cannot accept")).count();
    assert!(complaints <= 2, "said {complaints} times");

    // A client that is being served is still served, although its files must be opened on the disk.
    client.wait_finished(PATIENCE);
    assert_same(&place.path().join("root/film.bin"), &out.join("film.bin"));
    drop(crowd);
    wait_vitals(&seeder.process, "room again", PATIENCE, |now| now.open_files <= before.open_files + 16);
    fs::remove_file(out.join("film.bin")).expect("a test's file can be removed");
    get("127.1.0.10").finish();
    assert_same(&place.path().join("root/film.bin"), &out.join("film.bin"));
}

#[test]
fn a_get_with_few_open_files_gets_many_files() {
    let place = Place::new();
    let folder = place.folder("root/many");
    for number in 0..600 {
        write_random(&folder.join(format!("file {number}")), 100 + number, number);
    }
    let published = publish(&place, &folder, &[]);
    let seeder = Seeder::start(&place, &place.folder("root"), "127.1.0.1");
    let out = place.folder("out");
    let get = Get::new(&place, &published.torrent, &out, "127.1.0.9").peer(seeder.address());
    get.under("ulimit -n 128; exec \"$@\"").finish();
    assert_same(&folder, &out.join("many"));
}

/// Whether this system lets us mount a file system that only a child sees.
fn may_mount() -> bool {
    let probe = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    probe.is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_is_waited_for_and_the_download_goes_on_by_itself() {
    if !may_mount() {
        println!("skipped: this needs root and mount namespaces, for a small disk of its own");
        return;
    }
    let place = Place::new();
    let (published, seeder) = served(&place, "exec \"$@\"");
    let out = place.folder("out");
    let source = place.path().join("root/film.bin");
    let small_disk = format!(
        "exec unshare -m sh -c 'mount -t tmpfs -o size=32m none \"$0\" && head -c {} /dev/zero >\"$0/filler\" && \
         exec \"$@\"' {} \"$@\"",
        16 * MIB,
        out.display()
    );
    let get = |ip: &str, out: &Path| Get::new(&place, &published.torrent, out, ip).peer(seeder.address());
    let client = get("127.1.0.9", &out).with(&["--seed", "forever"]).under(&small_disk).start();
    client.wait_event("it says that the disk is full", PATIENCE, |event| {
        (event.name() == "progress" && event.text("phase") == "disk_full").then_some(())
    });
    let had = client
        .events()
        .iter()
        .rev()
        .find(|event| event.name() == "progress")
        .map(|last| last.number("bytes"));
    println!("paused at {had:?} of {} bytes", 24 * MIB);

    // Meanwhile other clients are served.
    let elsewhere = place.folder("elsewhere");
    get("127.1.0.10", &elsewhere).finish();
    assert_same(&source, &elsewhere.join("film.bin"));

    // The child's mount, seen from outside.
    let inside = format!("/proc/{}/root{}", client.process.pid(), out.display());
    fs::remove_file(format!("{inside}/filler")).expect("the filler is there");
    let summary = client.wait_finished(PATIENCE);
    assert_eq!(digest(&source), digest(&Path::new(&inside).join("film.bin")));
    println!("{} bytes wasted", summary.wasted);
    // Data that found no room was thrown away. It counts as wasted, not as received.
    assert_eq!(summary.received(), 24 * MIB, "what was stored is not fetched again");
    assert!(summary.wasted <= 16 * MIB, "more was thrown away than can be in hand");
    client.process.signal(Signal::INT);
    client.process.wait_exit(PATIENCE);
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let place = Place::new();
    let secret = place.folder("root").join("secret.bin");
    write_random(&secret, MIB, 3);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("it is ours");
    // Root may read everything, so root runs the command as another user, who needs access to the
    // folders on the way.
    let everybody = fs::Permissions::from_mode(0o777);
    let mut folder = Some(place.path());
    while let Some(path) = folder.filter(|path| path.starts_with(place.path())) {
        fs::set_permissions(path, everybody.clone()).expect("it is ours");
        folder = path.parent();
    }
    for path in [place.folder("home"), place.folder("root"), place.folder("to")] {
        fs::set_permissions(path, everybody.clone()).expect("it is ours");
    }
    let mut publish = place.nearcast();
    publish.arg("publish").arg(&secret).arg("-o").arg(place.path().join("to/secret.torrent"));
    if rustix::process::geteuid().is_root() {
        let nobody = "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
        let (code, process) =
            run("id", &mut under(nobody, Command::new("test").arg("-x").arg(publish.get_program())));
        if code != 0 {
            println!("skipped: nobody else may run the program under test\n{}", process.tail());
            return;
        }
        publish = under(nobody, &publish);
    }
    let (code, process) = run("publish", &mut publish);
    assert_eq!(code, 17, "{}", process.tail());
    let stderr = process.lines(Stream::Stderr);
    assert!(stderr.iter().any(|line| line.contains("secret.bin")), "{stderr:?}");
}

#[test]
fn a_file_that_may_not_become_so_large_is_an_error_that_says_why() {
    let place = Place::new();
    let (published, seeder) = served(&place, "exec \"$@\"");
    let out = place.folder("out");
    fs::write(out.join("film.bin"), "old").expect("there is room");
    let get = Get::new(&place, &published.torrent, &out, "127.1.0.9").peer(seeder.address());
    // The limit is in blocks of 512 bytes: 8 MiB of the 24.
    let client = get.with(&["--overwrite"]).under("ulimit -f 16384; exec \"$@\"").start();
    assert_eq!(client.process.wait_exit(PATIENCE), 17, "{}", client.process.tail());
    let said = client.process.lines(Stream::Stderr).join("\n");
    assert!(said.contains("film.bin") && said.contains("ulimit -f"), "{said}");
    assert_eq!(fs::read(out.join("film.bin")).expect("it is there"), b"old");
    assert_eq!(fs::read_dir(&out).expect("it is there").count(), 1, "nothing is left");
}
