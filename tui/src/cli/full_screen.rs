//! `nearcast` without a command: the screen. [`crate::app`] does the work.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, CommandFactory, FromArgMatches};
use nearcast_node::{Fetch, config::SeedGoal};
use nearcast_service::{
    atlas::Known,
    cli::Told,
    config::{Layers, Origin},
    signals::Signals,
};

use super::get::{
    options::{Options, state_dir},
    setting::Setting,
};
use crate::{
    READ_WITHIN,
    app::{
        effect::Effect,
        in_process::Means,
        launch::launch,
        model::{Model, Settings},
        player,
        ring::Ring,
        runner::Surroundings,
        state_file::{Opened, StateFile},
        terminal::{self, FullScreen as Terminal},
        theme::{self, Theme},
        wish::Wish,
    },
    atlas::Plan,
    error::CommandError,
    exit::Exit,
    screen::Screen,
};

/// How long a download in the list goes on without a source and without bytes, unless the user set
/// a time. A list is there to be left alone.
const PATIENCE: Duration = Duration::from_secs(365 * 86_400);

/// Help heading of the options of the screen.
const HEADING: &str = "The screen";

/// Options of the screen.
#[derive(Clone, Debug, Args)]
pub(super) struct FullScreen {
    /// How the screen looks; the key t changes it, too. Without it the terminal decides, and NO_COLOR.
    #[arg(long, value_name = "THEME", value_parser = clap::builder::PossibleValuesParser::new(theme::names()), help_heading = HEADING)]
    theme: Option<String>,
    /// Leave the mouse to the terminal, to select text with it.
    #[arg(long, help_heading = HEADING)]
    no_mouse: bool,
    #[arg(skip)]
    log: Ring,
}

impl FullScreen {
    /// Where the log goes.
    pub(super) fn log(&self) -> Ring {
        self.log.clone()
    }

    /// Refuses these options beside a command.
    pub(super) fn refuse(&self) -> Result<(), CommandError> {
        match self.theme.is_some() || self.no_mouse {
            true => Err(CommandError::BadOption(
                "--theme and --no-mouse are for the screen, which is nearcast without a command".to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// Shows the screen, until the user or a signal ends it.
    pub(super) async fn run(self, screen: &Screen) -> Exit {
        if !terminal::is_usable() {
            screen.complain(
                "the screen needs a terminal for keys and for what it shows; name a command instead",
            );
            let help = super::Cli::command().render_help().to_string();
            help.lines().for_each(|line| screen.complain_on(line));
            Screen::drain(READ_WITHIN);
            return Exit::BadOption;
        }
        let ended = match Signals::listen_at_terminal() {
            Ok(signals) => {
                let second = signals.clone();
                tokio::select! {
                    ended = self.show(signals) => ended,
                    signal = second.second() => {
                        terminal::leave();
                        Ok(signal.into())
                    }
                }
            }
            Err(source) => Err(CommandError::Io { path: "signal handlers".into(), source }),
        };
        ended.unwrap_or_else(|error| {
            screen.complain(&error.to_string());
            Screen::drain(READ_WITHIN);
            error.exit()
        })
    }

    async fn show(self, signals: Signals) -> Result<Exit, CommandError> {
        let layers = layers()?;
        let options = Options::of(&layers)?;
        let (state, opened) = open_state()?;
        // Without the `.` that stands for the present folder.
        let folder: PathBuf =
            env::current_dir().unwrap_or_default().join(&options.output).components().collect();
        let mut model = Model::new(Terminal::size(), self.settings(&options, &folder, state.is_some()));
        opened.notices.into_iter().for_each(|notice| self.log.add(notice));
        let mut begin = model.open(opened.saved);
        if let Some(theme) = self.theme.as_deref().and_then(Theme::named) {
            model.settings.theme = theme;
        }
        let around = Surroundings {
            signals,
            log: self.log.clone(),
            state,
            folders: vec![folder, env::current_dir().unwrap_or_default()],
        };
        begin.push(Effect::Save);
        let shown = launch(model, begin, !self.no_mouse, means(options, &layers), &around).await;
        shown.map_err(|source| CommandError::Io { path: "the terminal".into(), source })
    }

    fn settings(&self, options: &Options, folder: &Path, is_kept: bool) -> Settings {
        Settings {
            theme: Theme::suiting(theme::variable),
            theme_chosen: false,
            colours: !theme::is_mono(theme::variable),
            limits: nearcast_node::DownloadLimits { down: options.down, up: options.up },
            limits_chosen: false,
            folder: folder.to_string_lossy().into_owned(),
            is_kept,
            can_play: super::Cli::command().find_subcommand(player::COMMAND).is_some(),
        }
    }
}

/// The settings of `get`, from files and the environment.
fn layers() -> Result<Layers<Setting>, CommandError> {
    let command = Told::<Setting>::augment_args(clap::Command::new("nearcast"));
    let told = Told::<Setting>::from_arg_matches(&command.get_matches_from(["nearcast"]));
    let told = told.map_err(|error| CommandError::BadOption(error.to_string()))?;
    told.sources.read().map_err(|problems| CommandError::BadOption(problems.to_string()))
}

/// Claims the state folder, and reads what was open.
fn open_state() -> Result<(Option<Arc<StateFile>>, Opened), CommandError> {
    let Some(folder) = state_dir() else {
        let notice = "warning: there is no home folder, so what is open is forgotten at the end".to_owned();
        return Ok((None, Opened { notices: vec![notice], ..Opened::default() }));
    };
    match StateFile::claim(folder.clone()) {
        Ok(Some(state)) => {
            let opened = state.read();
            Ok((Some(Arc::new(state)), opened))
        }
        Ok(None) => Err(CommandError::ScreenOpen(folder.join("screen.lock"))),
        Err(source) => Err(CommandError::Io { path: folder, source }),
    }
}

/// What the node of the screen is made with.
fn means(options: Options, layers: &Layers<Setting>) -> Means {
    let is_set = |setting| layers.given(setting).origin != Origin::Default;
    // A person who watches a list wants it to go on giving, and to go on trying.
    let seed = if is_set(Setting::Seed) { options.seed } else { SeedGoal::Forever };
    let patience = if is_set(Setting::Timeout) { options.timeout } else { PATIENCE };
    let known =
        Known { directories: options.trackers.clone(), peers: options.peers.clone(), links: Vec::new() };
    let (atlas, atlas_key) = (options.atlas.clone(), options.atlas_key.clone());
    let (config, proxies) = (options.node(), options.proxies.clone());
    let make_fetch = move |wish: &Wish| Fetch {
        seed,
        patience,
        files: wish.files.clone(),
        ..options.fetch(wish.named.clone().into_source(), &wish.folder)
    };
    Means {
        config,
        plan: Box::new(move || {
            Plan::make(atlas.as_ref(), atlas_key.as_ref(), |text| tracing::warn!("{text}"))
        }),
        known,
        make_fetch: Arc::new(make_fetch),
        proxies,
    }
}
