use nearcast_node::{DownloadLimits, Phase};
use proptest::prelude::*;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::{
    app::{
        message::{Looked, News, Offer},
        testing::{busy, drawn, empty, id, key, lines, manifest, press, progress, typed, wish, words},
    },
    exit::Exit,
    source::Named,
};

const SIZE: (u16, u16) = (100, 24);

/// What effects are, in words.
fn said(effects: &[Effect]) -> Vec<String> {
    let word = |effect: &Effect| {
        let text = format!("{effect:?}");
        text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
    };
    effects.iter().map(word).filter(|word| word != "Watch").collect()
}

fn link(number: u8) -> String {
    wish(number, "film").named.link().unwrap().to_string()
}

#[test]
fn a_link_is_added_by_keys_and_its_files_are_chosen() {
    let mut model = empty(SIZE, "mono");
    model.update(Message::News(News::Up));
    model.update(press('a'));
    model.update(Message::Paste(link(9)));
    let effects = model.update(key(KeyCode::Enter));
    assert!(matches!(&effects[..], [Effect::Look(text)] if *text == link(9)));
    let named = Named::Link(wish(9, "film").named.link().unwrap().clone());
    model.update(Message::News(News::Looked(Ok(Looked { named: named.clone(), manifest: None }))));
    assert!(lines(&model).iter().any(|line| line.contains("Peers are asked for the list of files")));
    let manifest = manifest("film", &[("a", 10), ("b", 20), ("sub/a", 30)]);
    let looked = Looked { named, manifest: Some(manifest) };
    model.update(Message::News(News::Looked(Ok(looked))));
    assert!(lines(&model).iter().any(|line| line.contains("3 of 3 files, 60 B")));
    typed(&mut model, "j ");
    let effects = model.update(key(KeyCode::Enter));
    assert_eq!(said(&effects), ["LookAway", "Begin", "Save"]);
    let Effect::Begin(wish) = &effects[1] else { panic!("{effects:?}") };
    assert_eq!(wish.files.as_ref().unwrap().to_string(), "0,2");
    assert_eq!(wish.folder, std::path::Path::new("/home/ann/films"));
    assert!(model.dialog.is_none() && words(&model) == ["checking"]);
}

#[test]
fn nothing_begins_without_a_file_and_nothing_twice() {
    let mut model = empty(SIZE, "mono");
    let named = Named::Torrent(manifest("film", &[("a", 10), ("b", 20)]));
    let look = |model: &mut Model| {
        model.update(Message::Paste("film.torrent".to_owned()));
        assert_eq!(said(&model.update(key(KeyCode::Enter))), ["Look"]);
        let looked = Looked { named: named.clone(), manifest: named.manifest().cloned() };
        model.update(Message::News(News::Looked(Ok(looked))));
    };
    look(&mut model);
    model.update(press('a'));
    assert!(model.update(key(KeyCode::Enter)).is_empty());
    assert!(lines(&model).iter().any(|line| line.contains("no file is chosen")));
    model.update(press('a'));
    let effects = model.update(key(KeyCode::Enter));
    assert!(matches!(&effects[1], Effect::Begin(wish) if wish.files.is_none()));
    assert_eq!(words(&model), ["starting"], "the node is not up");
    look(&mut model);
    assert!(model.dialog.is_none());
    assert_eq!((model.downloads.len(), model.notice.as_deref()), (1, Some("this is in the list already")));
}

#[test]
fn what_names_nothing_is_said_and_can_be_written_anew() {
    let mut model = empty(SIZE, "mono");
    model.update(press('a'));
    typed(&mut model, "q");
    model.update(key(KeyCode::Enter));
    let why = "cannot use q: No such file\u{1b}[2J".to_owned();
    model.update(Message::News(News::Looked(Err(why))));
    let shown = lines(&model).join("\n");
    assert!(shown.contains("No such file\\u{1b}[2J") && !shown.contains('\u{1b}'), "{shown}");
    typed(&mut model, "x");
    assert!(lines(&model).iter().any(|line| line.contains("qx")));
    assert_eq!(said(&model.update(key(KeyCode::Esc))), ["LookAway"]);
}

#[test]
fn downloads_are_paused_and_go_on() {
    let mut model = busy(SIZE, "mono");
    assert_eq!(words(&model)[0], "getting");
    assert!(matches!(model.update(press(' '))[..], [Effect::Pause(_, true), Effect::Save]));
    assert_eq!(words(&model)[0], "paused");
    assert!(matches!(model.update(press(' '))[..], [Effect::Pause(_, false), Effect::Save]));
    assert_eq!(words(&model)[0], "getting");
}

#[test]
fn removal_is_asked_about_and_taken_back() {
    let mut model = busy(SIZE, "mono");
    model.update(press('d'));
    assert!(lines(&model).iter().any(|line| line.contains("Its files stay in /home/ann/films")));
    assert!(model.update(key(KeyCode::Esc)).is_empty() && model.downloads.len() == 7);
    model.update(press('d'));
    assert_eq!(said(&model.update(press('y'))), ["Stop", "Save"]);
    assert_eq!(model.downloads.len(), 6);
    assert_eq!(said(&model.update(press('u'))), ["Begin", "Save"]);
    assert_eq!((model.downloads.len(), model.downloads.chosen().unwrap().content()), (7, id(1)));
    assert!(model.update(press('u')).is_empty());
    assert_eq!(model.notice.as_deref(), Some("nothing was removed"));
}

#[test]
fn what_failed_is_tried_again() {
    let mut model = busy(SIZE, "mono");
    model.update(press('G'));
    assert!(lines(&model).iter().any(|line| line.contains("failed: /home/ann/films/broken exists")));
    assert_eq!(said(&model.update(press('r'))), ["Begin", "Save"]);
    assert_eq!(words(&model)[6], "checking");
}

#[test]
fn limits_are_set_for_all_and_for_one() {
    let mut model = busy(SIZE, "mono");
    model.update(press('l'));
    typed(&mut model, "5M");
    model.update(key(KeyCode::Tab));
    typed(&mut model, "fast");
    assert!(model.update(key(KeyCode::Enter)).is_empty());
    assert!(
        lines(&model).iter().any(|line| line.contains("5M (5,000,000 bytes a second)")),
        "{:#?}",
        lines(&model)
    );
    for _ in 0..4 {
        model.update(key(KeyCode::Backspace));
    }
    model.update(key(KeyCode::Tab));
    typed(&mut model, "800k");
    let effects = model.update(key(KeyCode::Enter));
    let all = DownloadLimits { down: Some(5_000_000), up: None };
    let one = DownloadLimits { down: Some(800_000), up: None };
    assert!(
        matches!(effects[..], [Effect::Limit(a), Effect::LimitOne(_, b), Effect::Save] if a == all && b == one)
    );
    assert_eq!(model.saved().limits, Some(all));
    assert_eq!(model.saved().downloads[0].limits, one);
}

#[test]
fn quitting_asks_only_while_something_is_unfinished() {
    let mut model = empty(SIZE, "mono");
    assert!(matches!(model.update(press('q'))[..], [Effect::Quit(Exit::Ok)]));
    let mut model = busy(SIZE, "mono");
    assert!(model.update(press('q')).is_empty());
    assert!(lines(&model).iter().any(|line| line.contains("4 downloads still run")), "{:#?}", lines(&model));
    assert!(model.update(press('n')).is_empty() && model.dialog.is_none());
    model.update(press('q'));
    assert!(matches!(model.update(press('q'))[..], [Effect::Quit(Exit::Ok)]));
    let interrupt = Message::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    model.update(press('a'));
    assert!(matches!(model.update(interrupt)[..], [Effect::Quit(Exit::Interrupted)]), "also in a dialog");
}

#[test]
fn what_is_played_is_left_first_and_taken_back_at_its_end() {
    let mut model = busy(SIZE, "mono");
    assert_eq!(said(&model.update(press('p'))), ["Stop"]);
    assert_eq!(words(&model)[0], "playing");
    assert_eq!(said(&model.update(Message::News(News::Left(id(1))))), ["Play"]);
    let why = "nearcast play ended: no player".to_owned();
    assert_eq!(said(&model.update(Message::Played(id(1), Err(why.clone())))), ["Begin", "Save"]);
    assert_eq!(model.notice, Some(why));
    model.settings.can_play = false;
    assert!(model.update(press('p')).is_empty());
    assert!(model.notice.as_deref().is_some_and(|notice| notice.contains("nearcast play is missing")));
}

#[test]
fn names_are_filtered_and_the_cursor_stays_on_its_download() {
    let mut model = busy(SIZE, "mono");
    typed(&mut model, "jjjj/");
    assert_eq!(model.downloads.chosen().unwrap().content(), id(5));
    typed(&mut model, "LE");
    assert_eq!(model.downloads.shown(), 1, "lecture");
    assert_eq!(model.downloads.chosen().unwrap().content(), id(5));
    model.update(key(KeyCode::Enter));
    model.update(press('s'));
    assert!(lines(&model).iter().any(|line| line.contains("sorted by name")));
    model.update(key(KeyCode::Esc));
    assert_eq!((model.downloads.shown(), model.downloads.chosen().unwrap().content()), (7, id(5)));
    typed(&mut model, "/zzz");
    assert!(lines(&model).iter().any(|line| line.contains("No name has these words")));
}

#[test]
fn every_order_is_one_and_turns_round() {
    let mut model = busy(SIZE, "mono");
    let order = |model: &Model| model.downloads.rows(0, 9).map(Entry::content).collect::<Vec<_>>();
    for _ in 0..7 {
        model.update(press('s'));
        let there = order(&model);
        model.update(press('S'));
        let mut back = order(&model);
        back.reverse();
        assert_eq!(there, back);
        model.update(press('S'));
    }
    assert_eq!(order(&model), (1..=7).map(id).collect::<Vec<_>>(), "as added again");
}

#[test]
fn the_mouse_chooses_opens_and_turns() {
    let mut model = busy(SIZE, "mono");
    let mouse =
        |kind, column, row| Message::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    let click = |column, row| mouse(MouseEventKind::Down(MouseButton::Left), column, row);
    model.update(click(10, 4));
    assert_eq!(model.downloads.cursor.at, 2);
    model.update(click(10, 4));
    assert_eq!(model.view, View::Details, "a second click opens");
    let tab = model.plan().tabs(model.view)[4].x;
    model.update(click(tab, 0));
    assert_eq!(model.view, View::Log);
    model.update(click(1, 0));
    model.update(mouse(MouseEventKind::ScrollDown, 5, 5));
    assert_eq!((model.view, model.downloads.cursor.at), (View::Downloads, 5));
    model.update(click(50, 20));
    assert_eq!(model.downloads.cursor.at, 5, "there is no row");
}

#[test]
fn offers_are_added_from_the_catalogue_and_known_ones_are_shown() {
    let mut model = busy(SIZE, "mono");
    assert_eq!(said(&model.update(press('4'))), ["Scan"]);
    let offer = |number: u8, name: &str| Offer {
        path: format!("/srv/{name}.torrent").into(),
        content: id(number),
        name: name.to_owned(),
        bytes: 5,
        files: 1,
        signed: 0,
    };
    model.update(Message::Found(vec![offer(20, "zebra"), offer(1, "ant")]));
    let effects = model.update(key(KeyCode::Enter));
    assert!(effects.iter().all(|effect| matches!(effect, Effect::Watch(Some(_)))), "{effects:?}");
    assert_eq!((model.view, model.downloads.chosen().unwrap().content()), (View::Details, id(1)));
    typed(&mut model, "4/zeb");
    model.update(key(KeyCode::Enter));
    let effects = model.update(key(KeyCode::Enter));
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Look(path) if path == "/srv/zebra.torrent"))
    );
}

#[test]
fn what_is_written_down_opens_as_it_was() {
    let mut model = busy(SIZE, "mono");
    typed(&mut model, " ts");
    let mut again = empty(SIZE, "dark");
    let effects = again.open(model.saved());
    assert_eq!(again.settings.theme.name, model.settings.theme.name);
    let begun = effects.iter().filter(|effect| matches!(effect, Effect::Begin(_))).count();
    assert_eq!(begun, 6, "the paused one rests");
    again.update(Message::News(News::Up));
    let chosen = again.downloads.get(id(1)).unwrap();
    assert_eq!((chosen.status().word(), chosen.have()), ("paused", 80_000_000));
    again.downloads.choose(id(1));
    assert_eq!(said(&again.update(press(' '))), ["Begin", "Save"], "the node has never had it");
}

#[test]
fn what_has_come_is_written_down_once() {
    let mut model = empty(SIZE, "mono");
    model.downloads.add(wish(1, "film"));
    model.update(Message::News(News::Up));
    let mut tell = |phase: Phase, have| {
        said(&model.update(Message::News(News::Progress(vec![(id(1), progress(phase, have, 30))]))))
    };
    assert!(tell(Phase::Downloading, 20).is_empty());
    // The last bytes come a moment before they are durable.
    assert!(tell(Phase::Downloading, 30).is_empty());
    assert_eq!(tell(Phase::Complete, 30), ["Save"]);
    assert!(tell(Phase::Seeding, 30).is_empty());
    assert_eq!(model.notice.as_deref(), Some("film is complete"));
    let manifest = manifest("film", &[("a", 10)]);
    assert_eq!(said(&model.update(Message::News(News::Manifest(id(1), manifest.clone())))), ["Save"]);
    assert!(said(&model.update(Message::News(News::Manifest(id(1), manifest)))).is_empty());
}

#[test]
fn what_is_complete_begins_without_peers_and_the_rest_by_its_link() {
    let manifest = manifest("film", &[("a", 10), ("b", 20)]);
    let mut entry = Entry::new(wish(1, "film"), 0);
    entry.on_manifest(manifest);
    entry.on_progress(progress(Phase::Downloading, 20, 30));
    assert!(matches!(entry.to_begin().named, Named::Link(_)));
    entry.on_progress(progress(Phase::Seeding, 30, 30));
    assert!(matches!(entry.to_begin().named, Named::Torrent(_)));
}

#[test]
fn graphs_rest_when_nothing_comes() {
    let mut model = empty(SIZE, "mono");
    assert!(!model.wants_seconds());
    model.update(Message::News(News::Up));
    model.downloads.add(wish(1, "x"));
    model.update(Message::News(News::Up));
    model.update(Message::News(News::Progress(vec![(id(1), progress(Phase::Downloading, 5_000, 10_000))])));
    assert!(model.wants_seconds());
    model.update(Message::Second);
    let mut more = progress(Phase::Seeding, 10_000, 10_000);
    more.received.origin += 5_000;
    model.update(Message::News(News::Progress(vec![(id(1), more)])));
    for _ in 0..6 {
        model.update(Message::Second);
    }
    assert!(!model.wants_seconds());
    assert_eq!(model.history.newest(99, |second| second.servers).iter().sum::<f64>(), 5_000.0);
}

#[test]
fn ten_thousand_downloads_are_sorted_and_drawn_by_the_rows_that_are_seen() {
    let mut model = empty((120, 40), "dark");
    let entries = (0..10_000_u32).map(|number| {
        let mut content = [0; 32];
        content[..4].copy_from_slice(&number.to_be_bytes());
        let magnet = nearcast_core::magnet::Magnet::new(ContentId(content));
        let wish = super::super::wish::Wish { named: Named::Link(magnet), folder: "/x".into(), files: None };
        Entry::new(wish, u64::from(number))
    });
    model.downloads.extend(entries);
    let begun = std::time::Instant::now();
    model.update(press('G'));
    drawn(&model);
    println!("a key and a frame with 10,000 downloads: {:?}", begun.elapsed());
    assert_eq!(model.downloads.rows(model.downloads.cursor.top, 36).count(), 36);
    assert_eq!(model.downloads.chosen().unwrap().added, 9_999);
    drawn(&model);
    let begun = std::time::Instant::now();
    model.update(press('s'));
    println!("sorted by name: {:?}", begun.elapsed());
    typed(&mut model, "/00ff");
    assert!((1..9_999).contains(&model.downloads.shown()));
    drawn(&model);
}

/// Keys that a person could press, and everything else that may happen.
fn messages() -> impl Strategy<Value = Message> {
    let letters = prop::sample::select("aqdpurlLjkgGsSto?hyn/1234 5\t".chars().collect::<Vec<_>>());
    let codes = prop::sample::select(vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::PageDown,
        KeyCode::Backspace,
    ]);
    let kinds = prop::sample::select(vec![
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::ScrollDown,
        MouseEventKind::ScrollUp,
    ]);
    prop_oneof![
        4 => letters.prop_map(press),
        3 => codes.prop_map(key),
        1 => (kinds, 0..140_u16, 0..50_u16).prop_map(|(kind, column, row)| {
            Message::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
        }),
        1 => (0..140_u16, 0..50_u16).prop_map(|(columns, rows)| Message::Size(columns, rows)),
        1 => ".{0,40}".prop_map(Message::Paste),
        1 => (1..9_u8).prop_map(|number| Message::News(News::Failed(id(number), "why".to_owned()))),
        1 => (1..9_u8).prop_map(|number| Message::News(News::Left(id(number)))),
        1 => (0..1_u8).prop_map(|_| Message::Second),
        1 => ".{0,90}".prop_map(|line| Message::Log(vec![line])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_keys_at_no_size_make_it_panic_or_lose_a_download(
        size in (0..140_u16, 0..50_u16),
        messages in prop::collection::vec(messages(), 0..40),
    ) {
        let mut model = busy(size, "mono");
        for message in messages {
            model.update(message);
            drawn(&model);
            let shown = model.downloads.shown();
            prop_assert!(model.downloads.cursor.at < shown.max(1));
            prop_assert!(model.downloads.len() + model.removed.len() >= 7);
        }
    }
}
