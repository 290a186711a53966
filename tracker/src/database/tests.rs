//! Tests that written data is read back, and that damaged data is moved aside and not trusted.

use std::time::Duration;

use nearcast_core::registry::{Announcement, Endpoint, PeerName};

use super::*;

fn kept(content: u8, number: u8) -> Saved {
    let ip =
        if number.is_multiple_of(2) { [127, 1, 0, number].into() } else { [u16::from(number); 8].into() };
    let endpoint = Endpoint { ip, tcp: Some(4000 + u16::from(number)), udp: None };
    let name = PeerName([number; 32]);
    let said = Announcement { content: ContentId([content; 32]), name, endpoint, complete: number == 3 };
    Saved { said, left: Duration::from_secs(120) }
}

fn some(contents: u8) -> Vec<Saved> {
    (0..contents).flat_map(|content| (0..=content).map(move |member| kept(content, member))).collect()
}

fn read_all(database: &mut Database) -> (Vec<Saved>, Tally, Found) {
    let mut all = Vec::new();
    let (tally, found) = database.read(|members| all.extend(members)).unwrap();
    (all, tally, found)
}

fn write_some(database: &mut Database, contents: u8) -> Tally {
    database.write(|take| some(contents).into_iter().for_each(take)).unwrap()
}

fn written(path: &Path, contents: u8) {
    write_some(&mut Database::open(path).unwrap().0, contents);
}

#[test]
fn what_is_written_is_read_after_a_restart_and_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.redb");
    written(&path, 7);
    for contents in [7, 3] {
        let (mut database, found) = Database::open(&path).unwrap();
        assert_eq!(found, Found::Intact);
        let (all, tally, _) = read_all(&mut database);
        assert_eq!(all, some(contents));
        assert_eq!(tally.contents, u64::from(contents));
        drop(database);
        written(&path, 3);
    }
    let (mut database, _) = Database::open(&path).unwrap();
    assert!(matches!(Database::open(&path), Err(DatabaseError::InUse(_))), "one process at a time");
    assert_eq!(write_some(&mut database, 2), Tally { contents: 2, members: 3, bad: 0 });
}

#[test]
fn a_file_of_another_kind_or_form_is_moved_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.redb");
    fs::write(&path, "no database at all").unwrap();
    let (mut database, found) = Database::open(&path).unwrap();
    let Found::MovedAside { to, .. } = found else { panic!("{found:?}") };
    assert_eq!(fs::read(&to).unwrap(), b"no database at all");
    assert_eq!(read_all(&mut database).0, []);
    drop(database);
    let other = redb::Database::create(&path).unwrap();
    let transaction = other.begin_write().unwrap();
    transaction.open_table(ABOUT).unwrap().insert("version", VERSION + 1).unwrap();
    transaction.commit().unwrap();
    drop(other);
    let (_, found) = Database::open(&path).unwrap();
    let Found::MovedAside { reason, .. } = found else { panic!("{found:?}") };
    assert!(reason.contains("form 2"), "{reason}");
}

#[test]
fn damage_anywhere_ends_neither_the_process_nor_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.redb");
    written(&path, 40);
    let good = fs::read(&path).unwrap();
    let mut seen = [0; 3];
    for case in 0..150usize {
        let mut bytes = good.clone();
        if case.is_multiple_of(5) {
            bytes.truncate(good.len() * case / 150);
        } else {
            // Flip a bit in used space, not only in free space.
            let at = (0..good.len()).filter(|at| good[*at] != 0).nth(case * 977 % 8_000).unwrap_or(case);
            bytes[at] ^= 1 << (case % 8);
        }
        fs::write(&path, &bytes).unwrap();
        let (mut database, opened) = Database::open(&path).unwrap();
        let (all, _, read) = read_all(&mut database);
        assert!(all.len() <= some(40).len());
        let moved = |found: &Found| matches!(found, Found::MovedAside { .. });
        seen[usize::from(moved(&opened)) + 2 * usize::from(!moved(&opened) && moved(&read))] += 1;
        write_some(&mut database, 2);
        assert_eq!(read_all(&mut database).0, some(2), "it is good again");
    }
    assert!(seen[1] > 10, "{seen:?}: some damage was found at the start");
}

#[test]
fn rows_that_are_none_are_counted_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.redb");
    written(&path, 2);
    let (mut database, _) = Database::open(&path).unwrap();
    let mut good = Vec::new();
    row::encode(&[kept(9, 1), kept(9, 2)], &mut good);
    let mut bad: Vec<Vec<u8>> = (1..good.len()).map(|length| good[..length].to_vec()).collect();
    bad.extend([vec![0; 40], vec![255; 300], [&[1; 32][..], &[0xfc], &[0; 10]].concat()]);
    let whole_members = bad.iter().filter(|bad| row::decode(ContentId([9; 32]), bad).is_some()).count();
    assert_eq!(whole_members, 1, "a row cut off behind a member is a shorter row");
    let file = database.file.as_ref().unwrap();
    let transaction = file.begin_write().unwrap();
    let key = [200; 32];
    transaction.open_table(MEMBERS).unwrap().insert(&key, &[9; 3][..]).unwrap();
    transaction.commit().unwrap();
    let (all, tally, _) = read_all(&mut database);
    assert_eq!((all, tally.bad), (some(2), 1));
}

#[test]
fn a_folder_that_cannot_be_written_is_said_and_nothing_moved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent/directory.redb");
    let error = Database::open(&path).err().expect("there is no such folder").to_string();
    assert!(error.contains("absent/directory.redb"), "{error}");
}
