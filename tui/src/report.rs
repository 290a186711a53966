//! How one download is told: as JSON events, plain lines, a bar, or not at all.

pub(crate) mod bar;
pub(crate) mod event;
mod layout;
pub(crate) mod lines;
pub(crate) mod peers;
pub(crate) mod text;

use std::time::Instant;

use nearcast_core::id::ContentId;
use nearcast_node::progress::{Progress, Summary};

use self::{bar::Bar, event::Events, lines::Lines};
use crate::{
    error::CommandError,
    screen::{Screen, Style},
};

/// Tells of one download. It sees snapshots, never the download itself, so it cannot slow it down.
pub(crate) struct Report {
    screen: Screen,
    content: ContentId,
    /// Several downloads may share a terminal: errors say whose they are.
    label: String,
    voice: Voice,
}

enum Voice {
    Events(Events),
    Lines(Lines),
    Bar(Bar),
    Silent,
}

impl Report {
    /// `name` is what the content is called until its manifest is known.
    pub(crate) fn new(screen: &Screen, json: bool, content: ContentId, name: Option<&str>) -> Report {
        let label = text::label(name, content);
        let voice = match screen.style() {
            _ if json => Voice::Events(Events::new(content)),
            Style::Lines => Voice::Lines(Lines::new(label.clone())),
            Style::Bars => Voice::Bar(Bar::new(screen.bars(), &label)),
            Style::Nothing => Voice::Silent,
        };
        let screen = screen.clone();
        Report { screen, content, label, voice }
    }

    /// The newest snapshot; `fresh` when it was not seen before.
    pub(crate) fn on_progress(&mut self, now: Instant, progress: &Progress, fresh: bool) {
        match &mut self.voice {
            Voice::Events(events) => {
                let lines = events.on_progress(now, progress, fresh);
                lines.iter().for_each(|line| self.screen.data(line));
            }
            Voice::Lines(lines) => {
                let due = lines.on_progress(now, progress);
                due.iter().for_each(|line| self.screen.say(line));
            }
            Voice::Bar(bar) => bar.on_progress(progress),
            Voice::Silent => {}
        }
    }

    /// Somebody wants to know who the peers are.
    pub(crate) fn on_asked_for_peers(&mut self, progress: &Progress) {
        match &mut self.voice {
            Voice::Events(events) => self.screen.data(&events.peers(progress)),
            _ => {
                let label = text::label(
                    Some(&progress.name).filter(|name| !name.is_empty()).map(String::as_str),
                    self.content,
                );
                peers::lines(&label, progress).iter().for_each(|line| self.screen.say(line));
            }
        }
    }

    /// Everything wanted is here.
    pub(crate) fn on_finished(&mut self, summary: &Summary) {
        match &mut self.voice {
            Voice::Events(events) => {
                let lines = events.on_finished(summary);
                lines.iter().for_each(|line| self.screen.data(line));
            }
            Voice::Lines(_) => self.screen.say(&text::summary(summary)),
            Voice::Bar(bar) => {
                bar.on_finished();
                self.screen.say(&text::summary(summary));
            }
            Voice::Silent => {}
        }
    }

    /// It ended without its content. Errors are said whatever the style.
    pub(crate) fn on_failed(&mut self, error: &CommandError) {
        match &mut self.voice {
            Voice::Events(events) => self.screen.data(&events.on_failed(error)),
            Voice::Bar(bar) => bar.on_failed(),
            Voice::Lines(_) | Voice::Silent => {}
        }
        // Who stopped it knows, and is told once how all of it goes on.
        if !matches!(error, CommandError::Stopped(_)) {
            self.screen.complain(&format!("{}: {error}", self.label));
        }
    }

    /// Seeding is over as well.
    pub(crate) fn on_left(&mut self, uploaded: u64) {
        match &mut self.voice {
            Voice::Events(events) => self.screen.data(&events.on_left(uploaded)),
            Voice::Lines(lines) => self.screen.say(&lines.on_left(uploaded)),
            Voice::Bar(bar) => bar.on_left(uploaded),
            Voice::Silent => {}
        }
    }
}
