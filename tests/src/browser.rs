//! Headless Chromium: the document of a page once the browser has read it, and a picture of the
//! page.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cluster::PATIENCE,
    place::Place,
    process::{Process, Stream},
};

/// Names of the program in different packages.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// No sandbox, as tests may run as root in a container; and no traffic of the browser's own.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
];

/// The screen that a page is shown on.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Whether the user prefers dark colours.
    pub dark: bool,
}

/// An installed browser.
#[derive(Debug)]
pub struct Browser {
    program: PathBuf,
}

impl Browser {
    /// The first browser found in PATH. `None`: no browser is installed.
    pub fn find() -> Option<Browser> {
        let path = std::env::var_os("PATH")?;
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let found = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        NAMES.into_iter().find_map(found).map(|program| Browser { program })
    }

    /// The loaded document as HTML, and the messages of the browser.
    pub fn dom(&self, place: &Place, url: &str) -> (String, String) {
        let process = self.run(place, url, &["--dump-dom".to_owned()]);
        let lines = |stream| process.lines(stream).join("\n");
        (lines(Stream::Stdout), lines(Stream::Stderr))
    }

    /// Writes a picture of the page to `to`, and returns its bytes. PNG.
    pub fn screenshot(&self, place: &Place, url: &str, screen: Screen, to: &Path) -> Vec<u8> {
        let Screen { width, height, dark } = screen;
        let arguments = [
            format!("--screenshot={}", to.display()),
            format!("--window-size={width},{height}"),
            format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)),
            "--hide-scrollbars".to_owned(),
        ];
        self.run(place, url, &arguments);
        fs::read(to).expect("the browser has written a picture")
    }

    fn run(&self, place: &Place, url: &str, arguments: &[String]) -> Process {
        let profile = tempfile::tempdir_in(place.path()).expect("a folder can be made in a temporary folder");
        let mut command = Command::new(&self.program);
        command
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(arguments)
            .arg(url)
            .env("HOME", place.folder("home"))
            // Proxies of the user of this machine must not change the test.
            .args(["--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]);
        let process = Process::start("browser", &mut command);
        let code = process.wait_exit(PATIENCE);
        assert_eq!(code, 0, "{}", process.tail());
        process
    }
}
