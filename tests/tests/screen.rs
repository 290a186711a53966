//! What a user at a terminal sees while `get` runs, and what the keys do. Without tmux the tests
//! print that and test nothing.

use std::path::PathBuf;

use e2e::{
    binaries::binaries,
    cluster::{Published, Seeder, publish},
    content::write_random,
    place::Place,
    terminal::Terminal,
};

const NAMES: [&str; 3] =
    ["first-film-of-the-evening", "second-film", "third-film-with-a-longer-name-than-most"];

/// Films, a seeder that has them, and a terminal.
struct Evening {
    /// Closed before the folder with its socket is removed.
    terminal: Terminal,
    seeder: Seeder,
    films: Vec<Published>,
    place: Place,
}

impl Evening {
    /// Films of `bytes` bytes each. `None`: there is no tmux.
    fn begin(films: usize, bytes: u64, (columns, rows): (u16, u16)) -> Option<Evening> {
        let place = Place::new();
        let terminal = Terminal::open(&place, columns, rows)?;
        let root = place.folder("root");
        let publish_one = |(seed, name): (usize, &&str)| {
            let path = root.join(name);
            write_random(&path, bytes, seed as u64);
            publish(&place, &path, &[])
        };
        let films = NAMES.iter().take(films).enumerate().map(publish_one).collect();
        let seeder = Seeder::start(&place, &root, "127.1.0.1");
        Some(Evening { terminal, seeder, films, place })
    }

    /// The command line that gets all films.
    fn get(&self, options: &str) -> String {
        let quoted = |path: &PathBuf| format!("'{}'", path.display());
        let torrents: Vec<String> = self.films.iter().map(|film| quoted(&film.torrent)).collect();
        format!(
            "{} get {} -o '{}' --peer {} --listen /ip4/127.1.0.2/tcp/0 --discover none {options}",
            quoted(&binaries().nearcast),
            torrents.join(" "),
            self.place.folder("out").display(),
            self.seeder.address(),
        )
    }

    /// Types the command line, by a script.
    fn start(&self, options: &str, after: &str) {
        let script = self.place.path().join("go");
        std::fs::write(&script, self.get(options)).expect("a script can be written");
        // Lines stand above, as usual: a terminal that breaks lines at its upper edge moves them
        // into the scroll-back.
        self.terminal.line(&format!("clear; seq 40; . '{}'; {after}", script.display()));
    }
}

/// A shell command that prints `mark`, then the terminal modes that matter.
fn tell_modes(mark: &str) -> String {
    format!("echo modes {mark}; stty -a | tr ' ' '\\n' | grep -x -e icanon -e -icanon -e echo -e -echo")
}

/// Asserts that the modes are those of a shell: whole lines, with echo.
fn assert_as_before(terminal: &Terminal, mark: &str) {
    let modes = terminal.wait("the modes", |lines| {
        let told = lines.iter().rposition(|line| *line == format!("modes {mark}"))?;
        Some([lines.get(told + 1)?.clone(), lines.get(told + 2)?.clone()])
    });
    assert_eq!(modes, ["icanon", "echo"], "{mark}");
}

/// The lines about downloads.
fn downloads(lines: &[String]) -> Vec<&String> {
    lines.iter().filter(|line| line.contains("/s") || line.contains('%') || line.contains("-film")).collect()
}

#[test]
fn a_terminal_of_another_width_shows_each_download_once() {
    let Some(evening) = Evening::begin(3, 8_000_000, (100, 24)) else { return };
    evening.start("--down 100k", "true");
    let terminal = &evening.terminal;
    for columns in [100, 48, 120, 40, 30, 61, 99] {
        terminal.resize(columns, 24);
        let what = format!("three lines at {columns} columns, and nothing of those before");
        // All lines drawn at this width have a rate. Remains of other lines would stay, and there
        // would be more than three lines.
        terminal.wait(&what, |lines| {
            let shown = downloads(lines);
            let are_right = |lines: &[&String]| {
                lines.iter().all(|line| {
                    let width = line.chars().count();
                    line.contains("kB/s") && width < usize::from(columns) && width + 60 > usize::from(columns)
                })
            };
            (shown.len() == NAMES.len() && are_right(&shown)).then_some(())
        });
    }
    terminal.key("C-c");
    terminal.wait_text("interrupted; run the same command to continue");
    assert_eq!(downloads(&terminal.lines()), Vec::<&String>::new(), "{:#?}", terminal.lines());
}

#[test]
fn keys_show_the_peers_and_end_and_the_terminal_is_as_before() {
    let Some(evening) = Evening::begin(1, 30_000_000, (100, 24)) else { return };
    let terminal = &evening.terminal;
    evening.start("--down 1M", &format!("echo code $?; {}", tell_modes("after q")));
    terminal.wait_text("MB/s");
    terminal.key("h");
    terminal.wait_text("keys: p shows and hides the peers");
    terminal.key("p");
    terminal.wait("the list of peers", |lines| {
        let heading = lines.iter().position(|line| line.contains("tier") && line.contains("down"))?;
        lines.get(heading + 1)?.contains("origin").then_some(())
    });
    terminal.key("p");
    terminal.wait("no list any more", |lines| {
        (!lines.iter().any(|line| line.contains("tier")) && lines.iter().any(|line| line.contains("MB/s")))
            .then_some(())
    });
    terminal.key("q");
    terminal.wait_text("code 130");
    assert_as_before(terminal, "after q");
}

#[test]
fn a_stopped_get_leaves_the_terminal_and_goes_on_in_the_background() {
    let Some(evening) = Evening::begin(1, 16_000_000, (100, 24)) else { return };
    let terminal = &evening.terminal;
    // A shell starts a separate job only for a single command.
    terminal.line("clear");
    let script = evening.place.path().join("go");
    std::fs::write(&script, format!("exec {}", evening.get("--down 1M"))).unwrap();
    terminal.line(&format!("sh '{}'", script.display()));
    terminal.wait_text("MB/s");
    terminal.key("C-z");
    terminal.wait_text("Stopped");
    terminal.line(&tell_modes("when stopped"));
    assert_as_before(terminal, "when stopped");
    terminal.line("fg");
    terminal.wait("it goes on", |lines| lines.last()?.contains("MB/s").then_some(()));
    terminal.key("p");
    terminal.wait_text("tier");
    terminal.key("C-z");
    terminal.wait("stopped again", |lines| {
        (lines.iter().filter(|line| line.contains("Stopped")).count() == 2).then_some(())
    });
    terminal.line("bg");
    // It ends by itself. If it read from the terminal or set its modes in the background, the
    // system would stop it.
    terminal.wait_text("16.0 MB in");
    terminal.line("wait; echo over $?");
    terminal.wait_text("over 0");
}

#[test]
fn whoever_ends_it_roughly_finds_the_terminal_as_it_was() {
    let Some(evening) = Evening::begin(1, 30_000_000, (100, 24)) else { return };
    let terminal = &evening.terminal;
    for (key, mark, code) in [("C-\\", "after QUIT", "code 131"), ("C-c", "after INT", "code 130")] {
        evening.start("--down 1M", &format!("echo code $?; {}", tell_modes(mark)));
        terminal.wait_text("MB/s");
        terminal.key("p");
        terminal.wait_text("tier");
        terminal.key(key);
        terminal.wait_text(code);
        assert_as_before(terminal, mark);
    }
}

#[test]
fn a_list_from_the_terminal_leaves_no_keys() {
    let Some(evening) = Evening::begin(1, 8_000_000, (100, 24)) else { return };
    let terminal = &evening.terminal;
    let torrent = evening.films[0].torrent.display().to_string();
    let line = evening.get("--down 1M").replace(&format!("'{torrent}'"), "-");
    let script = evening.place.path().join("go");
    std::fs::write(&script, line).unwrap();
    terminal.line(&format!("clear; . '{}'", script.display()));
    terminal.line(&torrent);
    terminal.key("C-d");
    terminal.wait_text("MB/s");
    terminal.key("q");
    terminal.wait_text("8.00 MB in");
}

#[test]
fn the_demonstration_is_a_table_that_stays() {
    let place = Place::new();
    let Some(terminal) = Terminal::open(&place, 80, 40) else { return };
    let file = place.path().join("film");
    write_random(&file, 4_000_000, 1);
    let nearcast = binaries().nearcast.display();
    terminal.line(&format!("clear; '{nearcast}' demo --peers 6 --path '{}'; echo code $?", file.display()));
    terminal.wait_text("code 0");
    let lines = terminal.lines();
    let headings = lines.iter().filter(|line| line.contains("peer ") && line.contains("rate"));
    assert_eq!(headings.count(), 1, "{lines:#?}");
    let table = lines.iter().skip_while(|line| !line.contains("peer "));
    assert!(table.clone().all(|line| line.chars().count() < 80), "{lines:#?}");
    assert!(table.clone().any(|line| line.starts_with("all ") && line.contains("100%")), "{lines:#?}");
}
