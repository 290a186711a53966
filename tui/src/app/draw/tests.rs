use std::{fs, path::PathBuf};

use nearcast_node::Phase;
use ratatui::crossterm::event::KeyCode;

use super::*;
use crate::app::{
    message::{Looked, Message, News, Offer},
    testing::{busy, drawn, empty, id, key, lines, manifest, press, progress, typed, wish},
    theme,
};
use crate::source::Named;

/// Set it to have the pictures written anew.
const BLESS: &str = "NEARCAST_TEST_BLESS";
const WIDTHS: [u16; 4] = [120, 80, 60, 40];

fn picture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/app/draw/tests").join(format!("{name}.txt"))
}

/// Compares what is drawn at every width with the picture of this name.
fn assert_drawn(name: &str, make: impl Fn((u16, u16)) -> Model) {
    let mut text = String::new();
    for width in WIDTHS {
        text += &format!("{width} columns\n");
        for line in lines(&make((width, 24))) {
            text += &format!("{line}\n");
        }
    }
    if std::env::var_os(BLESS).is_some() {
        fs::create_dir_all(picture(name).parent().unwrap()).unwrap();
        fs::write(picture(name), &text).unwrap();
    }
    let wanted = fs::read_to_string(picture(name)).unwrap();
    assert!(wanted == text, "{name} is drawn otherwise; {BLESS}=1 writes the pictures anew\n{text}");
}

fn after(size: (u16, u16), keys: &str) -> Model {
    let mut model = busy(size, "mono");
    typed(&mut model, keys);
    model
}

#[test]
fn the_list_is_drawn_at_every_width() {
    assert_drawn("downloads", |size| busy(size, "mono"));
}

#[test]
fn the_empty_list_says_what_to_do() {
    assert_drawn("empty", |size| empty(size, "mono"));
}

#[test]
fn details_are_drawn_at_every_width() {
    assert_drawn("details", |size| after(size, "2"));
}

#[test]
fn files_are_drawn_at_every_width() {
    assert_drawn("files", |size| {
        let mut model = after(size, "2o");
        let manifest =
            manifest("film", &[("a film.mkv", 900_000), ("extras/a.srt", 4_000), ("extras/b.srt", 5)]);
        model.update(Message::News(News::Manifest(id(1), manifest)));
        let holding =
            nearcast_node::Holding { cells: vec![255, 100, 0, 255], files: vec![450_000, 4_000, 0] };
        model.update(Message::News(News::Holding(id(1), holding)));
        model
    });
}

#[test]
fn where_from_is_drawn_at_every_width() {
    assert_drawn("where-from", |size| after(size, "3"));
}

#[test]
fn the_catalogue_is_drawn_at_every_width() {
    assert_drawn("catalogue", |size| {
        let mut model = after(size, "4");
        let offer = |number: u8, name: &str, bytes, signed| Offer {
            path: format!("/home/ann/films/{name}.torrent").into(),
            content: id(number),
            name: name.to_owned(),
            bytes,
            files: u32::from(number),
            signed,
        };
        let offers = vec![
            offer(1, "The long way home (2160p)", 134_217_728, 1),
            offer(40, "lectures of the winter", 3_990_000_000, 0),
            offer(41, "a name with \u{1b}]0;title\u{7} in it", 12, 0),
        ];
        model.update(Message::Found(offers));
        model
    });
}

#[test]
fn the_log_is_drawn_at_every_width() {
    assert_drawn("log", |size| {
        let mut model = after(size, "5");
        let lines = ["warning: the disk is full room=7", "error: something else", "info: a\u{202e}b"];
        model.update(Message::Log(lines.map(str::to_owned).into()));
        model
    });
}

#[test]
fn dialogs_are_drawn_at_every_width() {
    assert_drawn("help", |size| after(size, "?"));
    assert_drawn("limits", |size| after(size, "l"));
    assert_drawn("remove", |size| after(size, "d"));
    assert_drawn("quit", |size| after(size, "q"));
    assert_drawn("filter", |size| after(size, "/se"));
    assert_drawn("add", |size| {
        let mut model = busy(size, "mono");
        let link = wish(9, "film").named.link().unwrap().to_string();
        model.update(press('a'));
        model.update(Message::Paste(link));
        model
    });
}

#[test]
fn the_choice_of_files_is_drawn_at_every_width() {
    assert_drawn("choose", |size| {
        let mut model = busy(size, "mono");
        let named =
            Named::Torrent(manifest("season", &[("1.mkv", 900_000), ("2.mkv", 800_000), ("notes.txt", 77)]));
        model.update(Message::Paste("season.torrent".to_owned()));
        model.update(key(KeyCode::Enter));
        let looked = Looked { manifest: named.manifest().cloned(), named };
        model.update(Message::News(News::Looked(Ok(looked))));
        typed(&mut model, "jj ");
        model
    });
}

#[test]
fn plain_terminals_get_ascii_and_nothing_else() {
    assert_drawn("ascii", |size| {
        let mut model = busy(size, "ascii");
        model.update(press('3'));
        model
    });
    for keys in ["", "2", "2o", "3", "4", "5", "?", "a", "l", "d", "q", "/"] {
        let mut model = busy((100, 30), "ascii");
        typed(&mut model, keys);
        let text = lines(&model).join("\n");
        assert!(text.is_ascii(), "{keys}: {text}");
    }
}

/// The colours of a frame, with the letters they are on.
fn colours(model: &Model) -> String {
    let terminal = drawn(model);
    let mut text = String::new();
    let mut last = None;
    for cell in terminal.backend().buffer().content() {
        let style = (cell.fg, cell.bg, cell.modifier);
        if last != Some(style) && cell.symbol() != " " {
            text += &format!("\n{:?} {:?} {:?} ", style.0, style.1, style.2);
            last = Some(style);
        }
        text += cell.symbol();
    }
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn themes_paint_what_they_say() {
    for name in theme::names() {
        let mut model = busy((80, 24), name);
        model.update(press('3'));
        let text = colours(&model);
        let file = format!("colours-{name}");
        if std::env::var_os(BLESS).is_some() {
            fs::write(picture(&file), &text).unwrap();
        }
        assert!(
            fs::read_to_string(picture(&file)).unwrap() == text,
            "{name}: {BLESS}=1 writes it anew\n{text}"
        );
    }
}

#[test]
fn every_view_is_painted_at_every_width() {
    let mut text = String::new();
    for view in ["1", "2", "4", "5", "?"] {
        for width in WIDTHS {
            let mut model = busy((width, 24), "dark");
            typed(&mut model, view);
            model.update(Message::Log(vec!["warning: full".to_owned(), "error: no".to_owned()]));
            text += &format!("view {view} of {width} columns\n{}", colours(&model));
        }
    }
    if std::env::var_os(BLESS).is_some() {
        fs::write(picture("painted"), &text).unwrap();
    }
    assert!(fs::read_to_string(picture("painted")).unwrap() == text, "{BLESS}=1 writes it anew\n{text}");
}

#[test]
fn themes_without_colours_send_none() {
    for name in ["mono", "ascii"] {
        for keys in ["", "2", "3", "4", "5", "?", "d"] {
            let mut model = busy((80, 24), name);
            typed(&mut model, keys);
            let terminal = drawn(&model);
            let cells = terminal.backend().buffer().content();
            let plain = ratatui::style::Color::Reset;
            assert!(cells.iter().all(|cell| cell.fg == plain && cell.bg == plain), "{name} {keys}");
        }
    }
}

/// Names with every byte, and with whole commands.
fn hostile() -> Vec<String> {
    let mut names: Vec<String> = (0..=255_u8).map(|byte| format!("a{}b", char::from(byte))).collect();
    names.extend((0..=255_u8).map(|byte| String::from_utf8_lossy(&[b'a', byte, b'b']).into_owned()));
    names.push("\u{1b}]8;;http://evil.example/\u{1b}\\click\u{1b}]8;;\u{1b}\\".to_owned());
    names.push("\u{1b}]52;c;cm0gLXJmIH4=\u{7}".to_owned());
    names.push("\u{9b}2J\u{9d}0;title\u{9c}".to_owned());
    names.push("\u{202e}gpj.exe\u{2066}\u{2069}".to_owned());
    names.push(format!("z{}", "\u{301}".repeat(200)));
    names.push("👩\u{200d}👩\u{200d}👧 🏳\u{fe0f}\u{200d}🌈 非常に長い".repeat(30));
    names
}

#[test]
fn no_name_of_a_stranger_reaches_the_terminal_as_a_command() {
    for name in hostile() {
        let mut model = empty((80, 24), "dark");
        model.downloads.add(wish(1, &name)).unwrap();
        model.update(Message::News(News::Up));
        let mut told = progress(Phase::Downloading, 5, 10);
        told.name.clone_from(&name);
        told.neighbours[0].address.clone_from(&name);
        model.update(Message::News(News::Progress(vec![(id(1), told)])));
        let networks = [(nearcast_core::asn::Asn(64_503), name.clone())];
        model.update(Message::News(News::Networks(networks.into())));
        model.update(Message::Log(vec![name.clone()]));
        for keys in ["1", "2", "3", "5", "1d"] {
            model.dialog = None;
            typed(&mut model, keys);
            for line in lines(&model) {
                let bad = line.chars().find(|&c| {
                    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                });
                assert_eq!(bad, None, "{name:?} in {line:?}");
                assert!(crate::layout::width(&line) <= 80, "{line:?}");
            }
        }
        typed(&mut model, "na");
        model.update(Message::Paste(name.clone()));
        let text = lines(&model).join("");
        assert!(!text.chars().any(char::is_control), "{name:?} when it is pasted");
    }
}

#[test]
fn every_size_has_a_screen() {
    for columns in (0..45).chain([59, 60, 79, 80, 99, 100, 119, 120, 300]) {
        for rows in (0..14).chain([24, 60]) {
            for keys in ["", "2", "2o", "3", "4", "5", "?", "l"] {
                let mut model = busy((columns, rows), "dark");
                typed(&mut model, keys);
                drawn(&model);
            }
        }
    }
}

#[test]
fn there_are_rates_and_times_at_every_width() {
    for columns in WIDTHS {
        let shown = lines(&busy((columns, 24), "mono")).join("\n");
        for part in ["12.3 MB/s", "59%", "4.4 s", "The long"] {
            assert!(shown.contains(part), "{part} at {columns}:\n{shown}");
        }
    }
}
