//! Chromium without a screen: what a page is once a browser has read it, and how it looks.

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

/// As the program is called by those who package it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Without a sandbox of its own, as tests may run as root in a container; and without a word to anybody.
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

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Its user likes it dark.
    pub dark: bool,
}

/// A browser that is installed here.
#[derive(Debug)]
pub struct Browser {
    program: PathBuf,
}

impl Browser {
    /// The first one that is found; none if none is.
    pub fn find() -> Option<Browser> {
        let path = std::env::var_os("PATH")?;
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let found = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        NAMES.into_iter().find_map(found).map(|program| Browser { program })
    }

    /// The document as it is once it is loaded, as HTML, and what the browser had to say about it.
    pub fn dom(&self, place: &Place, url: &str) -> (String, String) {
        let process = self.run(place, url, &["--dump-dom".to_owned()]);
        let lines = |stream| process.lines(stream).join("\n");
        (lines(Stream::Stdout), lines(Stream::Stderr))
    }

    /// A picture of the page, as PNG, written to `to`.
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
            // Nothing of this machine's user may decide where it goes.
            .args(["--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]);
        let process = Process::start("browser", &mut command);
        let code = process.wait_exit(PATIENCE);
        assert_eq!(code, 0, "{}", process.tail());
        process
    }
}
