//! How one download is reported: as JSON events, as plain lines, as a bar, or not at all.

pub(crate) mod bar;
pub(crate) mod event;
mod giving;
pub(crate) mod lines;
pub(crate) mod peers;
pub(crate) mod stream;
mod summary;
pub(crate) mod text;
mod why;

use std::time::Instant;

use nearcast_core::id::ContentId;
use nearcast_node::progress::{Progress, Summary};

use self::{bar::Bar, event::Events, giving::Giving, lines::Lines};
use crate::{
    error::CommandError,
    screen::{Screen, Style},
    units::Bytes,
};

/// Reports one download. It sees only snapshots of the download, so it cannot slow the download
/// down.
pub(crate) struct Report {
    screen: Screen,
    content: ContentId,
    /// What the content is called. Several downloads may share a terminal, so errors begin with it.
    label: String,
    voice: Voice,
    giving: Giving,
    /// Whether to show the peers below the bar.
    with_peers: bool,
}

enum Voice {
    Events(Events),
    Lines(Lines),
    Bar(Bar),
    Silent,
}

impl Report {
    /// `name` is what to call the content until its manifest is known.
    pub(crate) fn new(screen: &Screen, json: bool, content: ContentId, name: Option<&str>) -> Report {
        let label = text::label(name, content);
        let voice = match screen.style() {
            _ if json => Voice::Events(Events::new(content)),
            Style::Lines => Voice::Lines(Lines::new(label.clone())),
            Style::Bars => Voice::Bar(Bar::new(screen.live(), &label)),
            Style::Nothing => Voice::Silent,
        };
        let (screen, giving) = (screen.clone(), Giving::default());
        Report { screen, content, label, voice, giving, with_peers: false }
    }

    /// Reports the newest snapshot. `fresh`: this snapshot is new.
    pub(crate) fn on_progress(&mut self, now: Instant, progress: &Progress, fresh: bool) {
        self.giving.look(now, &progress.neighbours);
        match &mut self.voice {
            Voice::Events(events) => {
                let started = events.has_started();
                let lines = events.on_progress(now, progress, &self.giving, fresh);
                // Snapshots may be left out, but each download has its `started`.
                match started == events.has_started() {
                    true => lines.iter().for_each(|line| self.screen.data_in_passing(line)),
                    false => lines.iter().for_each(|line| self.screen.data(line)),
                }
            }
            Voice::Lines(lines) => {
                let due = lines.on_progress(now, progress);
                due.iter().for_each(|line| self.screen.say_in_passing(line));
            }
            Voice::Bar(bar) => bar.on_progress(progress, &self.giving, self.with_peers),
            Voice::Silent => {}
        }
    }

    /// Shows or hides the peers below the bar.
    pub(crate) fn show_peers(&mut self, with_peers: bool, progress: &Progress) {
        self.with_peers = with_peers;
        if let Voice::Bar(bar) = &mut self.voice {
            bar.on_progress(progress, &self.giving, with_peers);
        }
    }

    /// Prints the list of peers once.
    pub(crate) fn on_asked_for_peers(&mut self, progress: &Progress) {
        match &mut self.voice {
            Voice::Events(events) => self.screen.data(&events.peers(progress, &self.giving)),
            _ => {
                let label = text::label(
                    Some(&progress.name).filter(|name| !name.is_empty()).map(String::as_str),
                    self.content,
                );
                let is_seen = self.screen.style() == Style::Bars;
                let room = if is_seen { self.screen.room() } else { peers::WHOLE };
                let lines = peers::lines(&label, progress, &self.giving, room);
                lines.iter().for_each(|line| self.screen.say(line));
            }
        }
    }

    /// The download is complete: prints the summary.
    pub(crate) fn on_finished(&mut self, summary: &Summary) {
        if let Voice::Bar(bar) = &self.voice {
            bar.clear();
        }
        match &mut self.voice {
            Voice::Events(events) => {
                let lines = events.on_finished(summary);
                lines.iter().for_each(|line| self.screen.data(line));
            }
            Voice::Lines(_) | Voice::Bar(_) => {
                let lines = summary::lines(summary, self.screen.room());
                lines.iter().for_each(|line| self.screen.say(line));
            }
            Voice::Silent => {}
        }
    }

    /// The download failed: prints the error, whatever the style.
    pub(crate) fn on_failed(&mut self, error: &CommandError) {
        match &mut self.voice {
            Voice::Events(events) => self.screen.data(&events.on_failed(error)),
            Voice::Bar(bar) => bar.leave(),
            Voice::Lines(_) | Voice::Silent => {}
        }
        // The user stopped the download. How to continue is printed once for the whole command.
        if !matches!(error, CommandError::Stopped(_)) {
            self.screen.complain(&format!("{}: {error}", self.label));
        }
    }

    /// News of a film that is shown while it comes.
    pub(crate) fn on_streaming(&mut self, sentence: &str) {
        match &self.voice {
            Voice::Lines(_) | Voice::Bar(_) => self.screen.say(&format!("{}: {sentence}", self.label)),
            // They have the figures at the end.
            Voice::Events(_) | Voice::Silent => {}
        }
    }

    /// The film is over, or whoever watched has gone.
    pub(crate) fn on_played(&mut self, sentence: &str, event: &serde_json::Value) {
        if let Voice::Bar(bar) = &mut self.voice {
            bar.leave();
        }
        match &self.voice {
            Voice::Events(_) => self.screen.data(&event.to_string()),
            Voice::Lines(_) | Voice::Bar(_) => self.screen.say(&format!("{}: {sentence}", self.label)),
            Voice::Silent => {}
        }
    }

    /// Seeding has ended as well.
    pub(crate) fn on_left(&mut self, uploaded: u64) {
        match &mut self.voice {
            Voice::Events(events) => self.screen.data(&events.on_left(uploaded)),
            Voice::Lines(lines) => self.screen.say(&lines.on_left(uploaded)),
            Voice::Bar(bar) => {
                bar.leave();
                self.screen.say(&format!("{}: left after giving {}", bar.label(), Bytes(uploaded)));
            }
            Voice::Silent => {}
        }
    }
}
