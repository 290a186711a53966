//! The progress of reading files: a bar on a terminal, else a plain line now and then.

use std::{
    env,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is written.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// A progress display, shown until it is dropped.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    last_line: Instant,
}

impl Progress {
    /// Chooses the display by where standard error leads. `quiet`: show nothing.
    pub(crate) fn new(quiet: bool) -> Progress {
        let terminal = io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|kind| kind != "dumb");
        let bar = (terminal && !quiet).then(|| {
            let template = "reading {bar:20} {percent:>3}% {wide_msg}";
            let style = ProgressStyle::with_template(template).expect("the template is well formed");
            ProgressBar::new(1).with_style(style)
        });
        Progress { bar, quiet, last_line: Instant::now() }
    }

    /// Shows that `done` of `total` bytes were read. Making the atlas follows, which takes a
    /// moment.
    pub(crate) fn show(&mut self, (done, total): (u64, u64)) {
        let text = match total {
            // Nobody knows how much a pipe will deliver.
            0 => format!("{:.1} MB", done as f64 / 1e6),
            _ => format!("{:.1} of {:.1} MB", done as f64 / 1e6, total.max(done) as f64 / 1e6),
        };
        if let Some(bar) = &self.bar {
            bar.set_length(total.max(1));
            bar.set_position(done);
            bar.set_message(if done >= total && total > 0 { "compiling".to_owned() } else { text });
        } else if !self.quiet && self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            match (done.min(total) * 100).checked_div(total) {
                Some(percent) => eprintln!("reading {percent}% {text}"),
                None => eprintln!("reading {text}"),
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
