//! A seeder that publishes the files put into its root.

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::{Duration, Instant},
};

use e2e::{
    cluster::{Get, PATIENCE, publish},
    content::{MIB, assert_same, write_folder, write_random},
    namespace::SmallDisk,
    operated::Operated,
    place::{Place, listing},
    process::Stream,
};
use rustix::process::Signal;

#[test]
fn what_is_put_into_the_root_is_published_and_can_be_got_by_its_link() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("before.bin"), MIB, 431);
    let seeder = Operated::start(&place, &root, "127.43.1.1", "publish = true\nrescan = \"1h\"");
    let first = seeder.wait_published("before.bin", &[], PATIENCE);
    write_folder(&root, "holiday", 432);
    let second = seeder.wait_published("holiday", &[], PATIENCE);
    for (name, link) in [("before.bin", first), ("holiday", second)] {
        assert!(root.join(format!("{name}.torrent")).is_file());
        let out = place.folder(&format!("out-{name}"));
        Get::new(&place, &link, &out, "127.43.2.1").finish();
        assert_same(&root.join(name), &out.join(name));
    }
    assert_eq!(seeder.ask("/metrics").metric("nearcast_contents_published_total") as u64, 2);
    seeder.process.signal(Signal::TERM);
    assert_eq!(seeder.process.wait_exit(PATIENCE), 0, "{}", seeder.process.tail());
    seeder.process.assert_group_gone();
    let hidden = listing(&root).into_iter().find(|path| path.to_string_lossy().contains(".tmp"));
    assert_eq!(hidden, None, "no temporary file stays");
}

#[test]
fn a_file_is_published_only_when_it_is_finished_and_anew_when_it_changes() {
    let place = Place::new();
    let root = place.folder("root");
    let seeder = Operated::start(&place, &root, "127.43.3.1", "publish = true\nrescan = \"1s\"");
    let mut open = fs::File::create(root.join("film.bin")).unwrap();
    open.write_all(&[1; 300_000]).unwrap();
    write_random(&root.join("later.part"), MIB, 433);
    write_random(&root.join("whole.bin"), MIB, 434);
    seeder.wait_published("whole.bin", &[], PATIENCE);
    // Both files have been quiet for as long as the published one.
    assert!(!root.join("film.bin.torrent").exists(), "it is open for writing");
    assert!(!root.join("later.part.torrent").exists(), "its name says that it is not finished");
    open.write_all(&[2; 300_000]).unwrap();
    drop(open);
    let first = seeder.wait_published("film.bin", &[], PATIENCE);
    fs::write(root.join("film.bin"), vec![3; 700_000]).unwrap();
    let second = seeder.wait_published("film.bin", std::slice::from_ref(&first), PATIENCE);
    // The link is on standard output before the log line is written.
    let about = seeder.process.wait_for("it is said that it changed", Stream::Stderr, PATIENCE, |log| {
        let about: Vec<_> = log.iter().filter(|line| line.contains("film.bin")).cloned().collect();
        (about.len() >= 2).then_some(about)
    });
    assert_eq!(about.len(), 2, "one line when it came and one when it changed: {about:?}");
    let out = place.folder("out");
    Get::new(&place, &second, &out, "127.43.4.1").finish();
    assert_same(&root.join("film.bin"), &out.join("film.bin"));
    let old = Get::new(&place, &first, &place.folder("old"), "127.43.4.2").with(&["--timeout", "3s"]).start();
    assert_eq!(old.process.wait_exit(PATIENCE), 3, "the old content is gone\n{}", old.process.tail());
}

#[test]
fn changed_data_of_a_torrent_somebody_made_is_said_and_never_sent() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film.bin"), 2 * MIB, 435);
    let published = publish(&place, &root.join("film.bin"), &[]);
    let seeder = Operated::start(&place, &root, "127.43.5.1", "rescan = \"500ms\"");
    // The right bytes, once read, are trusted for a while. Bytes written later must not be.
    Get::new(&place, &published.torrent, &place.folder("a"), "127.43.6.1").peer(seeder.address()).finish();
    write_random(&root.join("film.bin"), 2 * MIB, 436);
    seeder.wait_log("has changed since its .torrent was made", PATIENCE);
    let get = Get::new(&place, &published.torrent, &place.folder("b"), "127.43.6.2").peer(seeder.address());
    let client = get.with(&["--timeout", "5s"]).start();
    let code = client.process.wait_exit(PATIENCE);
    assert!([2, 3].contains(&code), "nobody has it any more: {code}\n{}", client.process.tail());
    assert!(!client.process.tail().contains("corrupt"), "{}", client.process.tail());
    let rotten = seeder.ask("/metrics").metric("nearcast_rotten_runs_total");
    assert!(rotten > 0.0, "{rotten}");
}

/// The number of handles over which a process is told of changes in folders.
fn notification_handles(seeder: &Operated) -> usize {
    let handles = fs::read_dir(format!("/proc/{}/fd", seeder.process.pid())).expect("it runs");
    let targets = handles.filter_map(|handle| fs::read_link(handle.ok()?.path()).ok());
    targets.filter(|target| target.as_os_str() == "anon_inode:inotify").count()
}

#[test]
fn a_change_below_the_root_is_published_at_once_also_in_folders_that_came_later() {
    let place = Place::new();
    let root = place.folder("root");
    write_folder(&root, "holiday", 447);
    // Looks by time come too late for this test.
    let seeder = Operated::start(&place, &root, "127.43.19.1", "publish = true\nrescan = \"1h\"");
    let mut links = vec![seeder.wait_published("holiday", &[], PATIENCE)];
    let late = root.join("holiday/deep/late/r");
    fs::create_dir_all(&late).unwrap();
    for (number, name) in (0..).zip(["one.bin", "two.bin"]) {
        write_random(&late.join(name), MIB, 448 + number);
        links.push(seeder.wait_published("holiday", &links, PATIENCE));
    }
    let out = place.folder("out");
    Get::new(&place, &links[2], &out, "127.43.20.1").finish();
    assert_same(&root.join("holiday"), &out.join("holiday"));
    assert_eq!(notification_handles(&seeder), 1, "one for all folders and looks");
    seeder.process.signal(Signal::TERM);
    assert_eq!(seeder.process.wait_exit(PATIENCE), 0, "{}", seeder.process.tail());
}

#[test]
fn a_torrent_put_below_the_root_is_served_at_once_and_dropped_when_it_goes() {
    let place = Place::new();
    let root = place.folder("root");
    let seeder = Operated::start(&place, &root, "127.43.21.1", "rescan = \"1h\"");
    let film = root.join("films/new/film.bin");
    write_random(&film, MIB, 450);
    let published = publish(&place, &film, &[]);
    seeder.wait_log("serving film.bin", PATIENCE);
    let get = Get::new(&place, &published.torrent, &place.folder("out"), "127.43.22.1");
    get.peer(seeder.address()).finish();
    fs::remove_file(&published.torrent).unwrap();
    seeder.wait_log("no longer serving", PATIENCE);
}

/// Writes a file with this mode, and its parent folders.
fn write_mode(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().expect("below the root")).expect("a scratch folder is ours");
    fs::write(path, text).expect("a scratch folder is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a scratch folder is ours");
}

/// Waits until a seeder is ready, or not ready, as `ready` says.
fn wait_ready(seeder: &Operated, ready: bool) {
    let deadline = Instant::now() + PATIENCE;
    while (seeder.ask("/readyz").status == 200) != ready {
        assert!(Instant::now() < deadline, "ready is not {ready}\n{}", seeder.process.tail());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_not_meant_for_everybody_is_left_out_at_every_depth_counted_and_said() {
    let place = Place::new();
    let root = place.folder("root");
    for (path, mode) in [
        ("project/readme", 0o644),
        ("project/.env", 0o644),
        ("project/src/.git/config", 0o644),
        ("project/.ssh/id_ed25519", 0o600),
        ("project/src/deep/er/key", 0o600),
        ("project/src/deep/er/main.rs~", 0o644),
        ("secret.bin", 0o600),
    ] {
        write_mode(&root.join(path), path, mode);
    }
    symlink("/etc/passwd", root.join("project/src/passwd")).unwrap();
    let seeder = Operated::start(&place, &root, "127.43.7.1", "publish = true\nrescan = \"1s\"");
    let link = seeder.wait_published("project", &[], PATIENCE);
    let said = seeder.wait_log("left out of project", PATIENCE);
    assert!(
        said.contains("3 hidden names, 1 backup, 1 that others may not read, 1 link or special file"),
        "{said}"
    );
    seeder.wait_log("directly in the root: 1 that others may not read", PATIENCE);
    let out = place.folder("out");
    Get::new(&place, &link, &out, "127.43.8.1").finish();
    let got: Vec<_> = listing(&out).into_iter().filter(|path| out.join(path).is_file()).collect();
    assert_eq!(got, [Path::new("project/readme")]);
    let torrent = fs::read(root.join("project.torrent")).unwrap();
    assert!(!String::from_utf8_lossy(&torrent).contains("id_ed25519"), "not even names are given away");
    assert!(!root.join("secret.bin.torrent").exists());
    assert_eq!(seeder.ask("/metrics").metric("nearcast_publish_left_out") as u64, 7);
}

#[test]
fn hidden_things_are_published_by_a_seeder_that_is_told_to() {
    let place = Place::new();
    let root = place.folder("root");
    for (path, mode) in [("project/.env", 0o644), ("project/key", 0o600), (".profile", 0o600)] {
        write_mode(&root.join(path), path, mode);
    }
    let lines = "publish = true\nhidden = true\nrescan = \"1s\"";
    let seeder = Operated::start(&place, &root, "127.43.9.1", lines);
    seeder.wait_published(".profile", &[], PATIENCE);
    let link = seeder.wait_published("project", &[], PATIENCE);
    let out = place.folder("out");
    Get::new(&place, &link, &out, "127.43.10.1").finish();
    assert_same(&root.join("project"), &out.join("project"));
}

#[test]
fn the_command_leaves_out_what_the_seeder_does_and_publishes_what_is_named() {
    let place = Place::new();
    let folder = place.folder("project");
    for (path, mode) in [("a/readme", 0o644), ("a/.env", 0o644), ("a/key", 0o600), ("a/x.part", 0o644)] {
        write_mode(&folder.join(path), path, mode);
    }
    // With --json nothing else is printed.
    let run = |path: &Path, arguments: &[&str]| {
        let torrent = place.path().join("made.torrent");
        let mut command = place.nearcast();
        command.arg("publish").arg(path).args(["--overwrite", "-o"]).arg(&torrent).args(arguments);
        let (code, process) = e2e::cluster::run("publish", &mut command);
        (code, [Stream::Stdout, Stream::Stderr].map(|stream| process.lines(stream).join("\n")))
    };
    let (code, [_, said]) = run(&folder, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("left out 1 hidden name, 1 unfinished file, 1 that others may not read"), "{said}");
    let (_, [json, _]) = run(&folder, &["--json"]);
    assert!(json.contains(r#""files":1"#) && json.contains(r#""private":1"#), "{json}");
    let (_, [json, _]) = run(&folder, &["--hidden", "--json"]);
    assert!(json.contains(r#""files":4"#) && json.contains(r#""skipped":[]"#), "{json}");
    let (_, [_, said]) = run(&folder.join("a/key"), &[]);
    assert!(said.contains("is private"), "{said}");
    fs::remove_file(folder.join("a/readme")).unwrap();
    let (code, [_, said]) = run(&folder, &[]);
    assert!(code != 0 && said.contains("nothing to publish") && said.contains("--hidden"), "{code} {said}");
}

#[test]
fn planted_links_are_never_followed() {
    let place = Place::new();
    let root = place.folder("root");
    let victim = place.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let seeder = Operated::start(&place, &root, "127.43.11.1", "publish = true\nrescan = \"1s\"");
    let pid = seeder.process.pid();
    for name in
        [format!(".cat.jpg.torrent.{pid}.tmp"), "cat.jpg.torrent".to_owned(), "cat.jpg.part".to_owned()]
    {
        symlink(&victim, root.join(name)).unwrap();
    }
    symlink(place.path(), root.join("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(root.join("fifo")).status().unwrap().success());
    write_random(&root.join("cat.jpg"), 9_999, 437);
    seeder.wait_published("cat.jpg", &[], PATIENCE);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert!(fs::symlink_metadata(root.join("cat.jpg.torrent")).unwrap().is_file());
    assert!(!root.join("folder.torrent").exists() && !root.join("fifo.torrent").exists());
}

#[test]
fn what_cannot_be_published_is_said_once_and_hashed_never() {
    let place = Place::new();
    let root = place.folder("root");
    let bad = "bell\u{7}";
    write_random(&root.join(bad), MIB, 438);
    let seeder = Operated::start(&place, &root, "127.43.12.1", "publish = true\nrescan = \"500ms\"");
    seeder.wait_log("a control character", PATIENCE);
    // Meanwhile other files are published, and the folder is looked at again.
    for (number, name) in (0..).zip(["one.bin", "two.bin"]) {
        write_random(&root.join(name), MIB, 439 + number);
        seeder.wait_published(name, &[], PATIENCE);
    }
    let said = seeder.process.lines(Stream::Stderr);
    assert_eq!(said.iter().filter(|line| line.contains("a control character")).count(), 1, "{said:?}");
    assert_eq!(seeder.ask("/metrics").metric("nearcast_hashed_bytes_total") as u64, 2 * MIB);
    assert_eq!(seeder.ask("/metrics").metric("nearcast_publish_failures") as u64, 1);
    let long = "x".repeat(250);
    fs::rename(root.join(bad), root.join(&long)).unwrap();
    seeder.wait_published(&long, &[], PATIENCE);
}

#[test]
fn thousands_of_small_files_are_published_in_batches() {
    /// Enough for several batches.
    const FILES: usize = 3_000;
    let place = Place::new();
    let root = place.folder("root");
    for number in 0..FILES {
        fs::write(root.join(format!("f{number}")), number.to_le_bytes().repeat(512)).unwrap();
    }
    let seeder = Operated::start(&place, &root, "127.43.13.1", "publish = true\nrescan = \"1h\"");
    let published = |lines: &[String]| lines.iter().filter(|line| line.starts_with("published ")).count();
    let all = |lines: &[String]| (published(lines) == FILES).then_some(());
    seeder.process.wait_for("all are published", Stream::Stdout, 4 * PATIENCE, all);
    // The node updates its counts a few times a second.
    let deadline = Instant::now() + PATIENCE;
    while seeder.ask("/metrics").metric("nearcast_contents") as usize != FILES {
        assert!(Instant::now() < deadline, "not all are served\n{}", seeder.process.tail());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(listing(&root).len(), 2 * FILES, "each has its .torrent, and no temporary file stays");
    // Guards against two costs of the past: each publication looked at all files, and each settling
    // file at all processes.
    let cpu = fs::read_to_string(format!("/proc/{}/stat", seeder.process.pid())).unwrap();
    let ticks: Vec<u64> =
        cpu.rsplit(')').next().unwrap().split(' ').filter_map(|word| word.parse().ok()).collect();
    let seconds = (ticks[10] + ticks[11]) as f64 / 100.0;
    assert!(seconds < 30.0, "{seconds} seconds of processor time for {FILES} files");
}

#[test]
fn a_root_that_is_gone_is_not_ready_and_keeps_its_contents() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("film.bin"), MIB, 441);
    let torrent = publish(&place, &root.join("film.bin"), &[]).torrent;
    let torrent_copy = place.path().join("copy.torrent");
    fs::copy(torrent, &torrent_copy).unwrap();
    let seeder = Operated::start(&place, &root, "127.43.14.1", "publish = true\nrescan = \"200ms\"");
    wait_ready(&seeder, true);
    for replaced in [false, true] {
        let moved = place.path().join("moved");
        fs::rename(&root, &moved).unwrap();
        if replaced {
            fs::create_dir(&root).unwrap();
        }
        wait_ready(&seeder, false);
        assert!(seeder.ask("/readyz?verbose").text.contains("[-]root"));
        assert_eq!(seeder.ask("/metrics").metric("nearcast_contents") as u64, 1, "it is kept");
        if replaced {
            fs::remove_dir(&root).unwrap();
        }
        fs::rename(&moved, &root).unwrap();
        wait_ready(&seeder, true);
    }
    let log = seeder.process.lines(Stream::Stderr).join("\n");
    assert!(!log.contains("no longer serving"), "{log}");
    let out = place.folder("out");
    Get::new(&place, &torrent_copy, &out, "127.43.15.1").peer(seeder.address()).finish();
    // The operator empties the root: the same folder, with nothing in it.
    for entry in fs::read_dir(&root).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    seeder.wait_log("no longer serving", PATIENCE);
    assert_eq!(seeder.ask("/readyz").status, 200);
}

#[test]
fn another_root_that_is_not_empty_is_taken_when_the_operator_says_so() {
    let place = Place::new();
    let root = place.folder("root");
    write_random(&root.join("old.bin"), MIB, 442);
    publish(&place, &root.join("old.bin"), &[]);
    let seeder = Operated::start(&place, &root, "127.43.16.1", "rescan = \"200ms\"");
    fs::rename(&root, place.path().join("moved")).unwrap();
    let root = place.folder("root");
    write_random(&root.join("new.bin"), MIB, 443);
    publish(&place, &root.join("new.bin"), &[]);
    wait_ready(&seeder, false);
    seeder.process.signal(Signal::HUP);
    wait_ready(&seeder, true);
    seeder.wait_log("serving new.bin", PATIENCE);
    assert_eq!(seeder.ask("/metrics").metric("nearcast_contents") as u64, 1);
}

#[test]
fn a_disk_below_the_root_that_is_unmounted_keeps_its_contents() {
    let place = Place::new();
    let (root, disk) = (place.folder("root"), place.folder("disk"));
    let Some(namespace) = SmallDisk::new(&place.folder("other"), MIB) else { return };
    for (folder, name) in [(&root, "here.bin"), (&disk, "there.bin")] {
        write_random(&folder.join(name), MIB, 444);
        publish(&place, &folder.join(name), &[]);
    }
    let media = place.folder("root/media");
    let mount = || namespace.mount("mount", &["--bind".as_ref(), disk.as_ref(), media.as_ref()]);
    mount();
    let seeder = Operated::start_inside(&place, &root, "127.43.17.1", "rescan = \"200ms\"", &namespace);
    wait_ready(&seeder, true);
    for _ in 0..2 {
        namespace.mount("umount", &["-l".as_ref(), media.as_ref()]);
        wait_ready(&seeder, false);
        mount();
        wait_ready(&seeder, true);
    }
    let log = seeder.process.lines(Stream::Stderr).join("\n");
    assert!(!log.contains("no longer serving"), "{log}");
    // A file removed from a disk that is there is gone.
    fs::remove_file(disk.join("there.bin.torrent")).unwrap();
    seeder.wait_log("no longer serving", PATIENCE);
    assert_eq!(seeder.ask("/readyz").status, 200);
}

#[test]
fn a_full_disk_is_said_and_what_waits_is_published_when_there_is_room() {
    let place = Place::new();
    let root = place.folder("root");
    let Some(disk) = SmallDisk::new(&root, 2 * MIB) else { return };
    write_random(&disk.seen_from_outside("film.bin"), 2 * MIB - 16 * 1024, 446);
    let seeder =
        Operated::start_inside(&place, &root, "127.43.18.1", "publish = true\nrescan = \"500ms\"", &disk);
    seeder.wait_log("no .torrent can be written", PATIENCE);
    assert_eq!(seeder.ask("/metrics").metric("nearcast_hashed_bytes_total") as u64, 0, "before it is hashed");
    disk.grow(4 * MIB);
    seeder.wait_published("film.bin", &[], PATIENCE + Duration::from_secs(60));
}
