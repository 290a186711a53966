//! Runs the screen: messages to the model, what is to be done to the node and the disk, frames to
//! the terminal.

use std::{path::PathBuf, sync::Arc, time::Duration};

use nearcast_service::signals::Signals;
use rustix::process::Signal as Number;
use signal_hook::low_level::emulate_default_handler;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    draw::draw,
    effect::Effect,
    message::Message,
    model::Model,
    player,
    ring::Ring,
    saved::Saved,
    scan,
    state_file::StateFile,
    station::Station,
    terminal::{self, FullScreen},
    wish::Wish,
};
use crate::exit::Exit;

/// The least time between two frames, if only the node tells something.
const FRAME: Duration = Duration::from_millis(100);
/// The same after a key, so that a held key does not draw faster than anybody sees.
const FRAME_AFTER_KEY: Duration = Duration::from_millis(25);
/// Messages taken before a frame is drawn.
const BATCH_MAX: usize = 256;
/// Signals that end a process by default, and that nothing else here handles.
const DEADLY: [Number; 3] = [Number::QUIT, Number::USR2, Number::ALARM];
/// Set by a test: the key `!` has the thread that draws panic.
const PANIC_VARIABLE: &str = "NEARCAST_TEST_SCREEN_PANICS";

/// The surroundings of a screen.
pub(crate) struct Surroundings {
    pub(crate) signals: Signals,
    pub(crate) log: Ring,
    /// Where what is open is written to. `None`: nowhere.
    pub(crate) state: Option<Arc<StateFile>>,
    /// The folders of the catalogue.
    pub(crate) folders: Vec<PathBuf>,
}

/// What moves while the screen is shown.
struct Runner<'a, S> {
    model: Model,
    screen: FullScreen,
    station: &'a S,
    around: &'a Surroundings,
    messages: mpsc::Sender<Message>,
    /// The newest state that is to be written down.
    saves: watch::Sender<Option<Saved>>,
    /// Players that run. They end with the screen.
    players: JoinSet<()>,
    ended: watch::Sender<bool>,
    /// When the last frame was drawn, and when the next one is due. `None`: nothing has changed.
    drawn: Option<Instant>,
    due: Option<Instant>,
}

/// Shows the screen until the user or a signal ends it. The node goes on.
///
/// # Errors
/// The terminal is gone, or the system refuses a signal handler.
pub(crate) async fn run<S: Station>(
    model: Model,
    screen: FullScreen,
    begin: Vec<Effect>,
    station: &S,
    around: &Surroundings,
    (messages, mut inbox): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
) -> std::io::Result<Exit> {
    terminal::read_events(messages.clone())?;
    watch_deadly()?;
    let (saves, saving) = save_in_background(around.state.clone(), messages.clone());
    let mut runner = Runner {
        model,
        screen,
        station,
        around,
        messages,
        saves,
        players: JoinSet::new(),
        ended: watch::Sender::new(false),
        drawn: Some(Instant::now()),
        due: None,
    };
    let mut exit = runner.carry_out(begin)?;
    if exit.is_none() {
        exit = Some(runner.serve(&mut inbox).await?);
    }
    runner.ended.send_replace(true);
    while runner.players.join_next().await.is_some() {}
    // What is written in the background must not come after the last word.
    drop(runner.saves);
    let _ = saving.await;
    if let Some(state) = &around.state
        && let Err(error) = state.write(&runner.model.saved())
    {
        tracing::error!("what is open cannot be written down: {error}");
    }
    Ok(exit.unwrap_or(Exit::Ok))
}

impl<S: Station> Runner<'_, S> {
    async fn serve(&mut self, inbox: &mut mpsc::Receiver<Message>) -> std::io::Result<Exit> {
        let mut stopped = signal(SignalKind::from_raw(Number::TSTP.as_raw()))?;
        let mut continued = signal(SignalKind::from_raw(Number::CONT.as_raw()))?;
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut moving = false;
        loop {
            let wanted = self.model.wants_seconds();
            if wanted && !std::mem::replace(&mut moving, wanted) {
                seconds.reset();
            }
            moving = wanted;
            let due = self.due.unwrap_or_else(Instant::now);
            let message = tokio::select! {
                signal = self.around.signals.first() => return Ok(signal.into()),
                _ = stopped.recv() => {
                    self.screen.suspend()?;
                    Message::Size(FullScreen::size().0, FullScreen::size().1)
                }
                _ = continued.recv() => {
                    self.screen.take_again()?;
                    Message::Size(FullScreen::size().0, FullScreen::size().1)
                }
                message = inbox.recv() => match message {
                    Some(message) => message,
                    None => return Ok(Exit::Unknown),
                },
                lines = self.around.log.next() => Message::Log(lines),
                _ = seconds.tick(), if moving => Message::Second,
                () = sleep_until(due), if self.due.is_some() => {
                    self.draw()?;
                    continue;
                }
            };
            if let Some(exit) = self.take(message, inbox)? {
                return Ok(exit);
            }
        }
    }

    /// Takes a message, and those that wait behind it.
    fn take(&mut self, first: Message, inbox: &mut mpsc::Receiver<Message>) -> std::io::Result<Option<Exit>> {
        let mut next = Some(first);
        for _ in 0..BATCH_MAX {
            let Some(message) = next else { break };
            let by_user = matches!(
                message,
                Message::Key(_) | Message::Mouse(_) | Message::Paste(_) | Message::Size(..)
            );
            panic_if_asked(&message);
            let effects = self.model.update(message);
            self.want_frame(if by_user { FRAME_AFTER_KEY } else { FRAME });
            if let Some(exit) = self.carry_out(effects)? {
                return Ok(Some(exit));
            }
            next = inbox.try_recv().ok();
        }
        Ok(None)
    }

    fn want_frame(&mut self, gap: Duration) {
        let soonest = self.drawn.map_or_else(Instant::now, |drawn| drawn + gap);
        self.due = Some(self.due.map_or(soonest, |due| due.min(soonest)));
    }

    fn draw(&mut self) -> std::io::Result<()> {
        let model = &self.model;
        self.drawn = Some(Instant::now());
        self.due = None;
        if !self.screen.draw(|frame| draw(model, frame))? {
            self.want_frame(FRAME);
        }
        Ok(())
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> std::io::Result<Option<Exit>> {
        for effect in effects {
            match effect {
                Effect::Begin(wish) => self.station.begin(wish),
                Effect::Stop(content) => self.station.stop(content),
                Effect::Pause(content, paused) => self.station.pause(content, paused),
                Effect::Limit(limits) => self.station.limit(limits),
                Effect::LimitOne(content, limits) => self.station.limit_one(content, limits),
                Effect::Look(text) => self.station.look(text),
                Effect::LookAway => self.station.look_away(),
                Effect::Watch(content) => self.station.watch(content),
                Effect::Scan => self.scan(),
                Effect::Play(wish) => self.play(wish),
                Effect::Save => {
                    self.saves.send_replace(Some(self.model.saved()));
                }
                Effect::Redraw => self.screen.clear()?,
                Effect::Suspend => {
                    self.screen.suspend()?;
                    let (columns, rows) = FullScreen::size();
                    let more = self.model.update(Message::Size(columns, rows));
                    debug_assert!(more.is_empty(), "a size asks for nothing");
                }
                Effect::Quit(exit) => return Ok(Some(exit)),
            }
        }
        Ok(None)
    }

    fn scan(&self) {
        let (folders, messages) = (self.around.folders.clone(), self.messages.clone());
        tokio::spawn(async move {
            let found = tokio::task::spawn_blocking(move || scan::torrents(&folders)).await;
            // If the screen has gone, nobody needs to know.
            let _ = messages.send(Message::Found(found.unwrap_or_default())).await;
        });
    }

    fn play(&mut self, wish: Wish) {
        let torrent = self.around.state.as_ref().map(|state| state.torrent(wish.content()));
        let (messages, ended) = (self.messages.clone(), self.ended.subscribe());
        self.players.spawn(async move {
            let played = player::play(&wish, torrent, ended).await;
            // If the screen has gone, nobody needs to know.
            let _ = messages.try_send(Message::Played(wish.content(), played));
        });
    }
}

/// Writes down what is open, on another thread. A newer state takes the place of one that waits.
fn save_in_background(
    state: Option<Arc<StateFile>>,
    messages: mpsc::Sender<Message>,
) -> (watch::Sender<Option<Saved>>, JoinHandle<()>) {
    let (saves, mut newest) = watch::channel(None::<Saved>);
    let saving = tokio::spawn(async move {
        let Some(state) = state else { return };
        while newest.changed().await.is_ok() {
            let Some(saved) = newest.borrow_and_update().clone() else { continue };
            let state = state.clone();
            let written = tokio::task::spawn_blocking(move || state.write(&saved)).await;
            if let Ok(Err(error)) = written {
                let why = format!("what is open cannot be written down: {error}");
                // If the screen has gone, nobody needs to know.
                let _ = messages.send(Message::NotSaved(why)).await;
            }
        }
    });
    (saves, saving)
}

/// Gives the terminal back before a signal ends the process by its default action.
fn watch_deadly() -> std::io::Result<()> {
    for number in DEADLY {
        let told: Signal = signal(SignalKind::from_raw(number.as_raw()))?;
        tokio::spawn(die_of(told, number));
    }
    Ok(())
}

async fn die_of(mut told: Signal, number: Number) {
    if told.recv().await.is_some() {
        terminal::leave();
        let _ = emulate_default_handler(number.as_raw());
    }
}

fn panic_if_asked(message: &Message) {
    use ratatui::crossterm::event::KeyCode;
    let is_mark = matches!(message, Message::Key(key) if key.code == KeyCode::Char('!'));
    assert!(!is_mark || std::env::var_os(PANIC_VARIABLE).is_none(), "a test asked for this panic");
}
