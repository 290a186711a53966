//! One run of a service, from start to end: what it prints, what it is told by signals, how it leaves.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use nearcast_node::{
    address::Address,
    vital::{Failure, Vital},
};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    admin::{AdminAt, AdminListener, Vitals},
    cli::{EXIT_BAD_OPTION, EXIT_NETWORK, Serve, exit_of_signal},
    config::{Layers, Problems, Sources},
    log::{self, LogHandle},
    notify,
    output::{Output, Told, check, fail, say},
    reloaded::Reloaded,
    sandbox::Sandbox,
    setting::Setting,
    signals::{Reloads, Signal, Signals},
};

/// How often the service manager hears how things are, when it does not want it more often.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// The exit code when a task fails that the service cannot do without: as for anything that has no code of its own.
const EXIT_FAILED: u8 = 1;

/// How a service is, told by itself and to it.
pub trait Health: Vitals + Default {
    /// A sentence for the service manager.
    fn status(&self) -> String;

    /// The end was asked for: nobody new should be sent here.
    fn drain(&self);

    /// What became of reloads.
    fn reloaded(&self) -> &Reloaded;
}

/// What this loop needs of the settings of any service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around {
    /// Where health and metrics are answered.
    pub admin: AdminAt,
    /// How long what is under way may take to finish at the end.
    pub grace: Duration,
    /// What to log.
    pub log: String,
    /// As JSON.
    pub log_json: bool,
    /// What it keeps itself from.
    pub sandbox: Sandbox,
}

/// What a service that could not start says, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// A sentence.
    pub sentence: String,
    /// The code.
    pub code: u8,
}

/// A service.
#[expect(async_fn_in_trait, reason = "each is awaited where the service runs, by one task")]
pub trait Daemon: Sized {
    /// Its table of settings.
    type Setting: Setting;
    /// What they mean together.
    type Settings;
    /// How it is.
    type Health: Health;

    /// What the layers say.
    ///
    /// # Errors
    /// What is missing or does not fit together, all of it.
    fn settings(layers: &Layers<Self::Setting>) -> Result<Self::Settings, Problems>;

    /// What would go wrong at the start, as far as can be told without starting.
    fn check(settings: &Self::Settings) -> Vec<String>;

    /// What is around it.
    fn around(settings: &Self::Settings) -> Around;

    /// Starts it; returns when it is ready.
    ///
    /// # Errors
    /// Why it did not; nothing is left behind.
    async fn start(settings: &Self::Settings, health: Arc<Self::Health>) -> Result<Self, Failed>;

    /// Where it listens.
    fn addresses(&self) -> Vec<Address>;

    /// Takes over what can change while it runs.
    ///
    /// # Errors
    /// Why nothing was taken over.
    async fn apply(&mut self, settings: &Self::Settings) -> Result<(), String>;

    /// What the last reload brought beside the settings themselves: files that they name may hold something else now. A few words
    /// each.
    fn take_changes(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Tells what is new, whenever something is; never ends. Dropping it half way loses nothing.
    async fn tell_news(&mut self, output: Output);

    /// The tasks without which it cannot go on.
    fn vitals(&self) -> Vec<Vital>;

    /// Ends it: takes nothing new, and gives what is under way so long to finish.
    async fn stop(self, grace: Duration);
}

/// Does what `serve` was told to; the exit code.
pub fn serve<D: Daemon>(serve: Serve<D::Setting>) -> ExitCode {
    let Serve { sources, check: only_check, json, quiet } = serve;
    let read = sources.read().and_then(|layers| D::settings(&layers).map(|settings| (layers, settings)));
    if only_check {
        let how = if quiet { Told::Problems } else { Told::All { json } };
        return check(read.map(|(layers, settings)| (layers, D::check(&settings))), how);
    }
    let (layers, settings) = match read {
        Ok(read) => read,
        Err(problems) => return fail(&problems.to_string(), EXIT_BAD_OPTION),
    };
    let around = D::around(&settings);
    let log = match log::start(&around.log, around.log_json) {
        Ok(log) => log,
        Err(problem) => return fail(&problem, EXIT_BAD_OPTION),
    };
    // Before there is another thread, or anything from a stranger.
    let confined = match confine(&around.sandbox, sources.folders()) {
        Ok(confined) => confined,
        Err(lack) => return fail(&lack, EXIT_BAD_OPTION),
    };
    let runtime = match nearcast_node::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), 1),
    };
    let run = Run::<D> { sources, layers, settings, around, log, output: Output { json }, confined };
    let code = runtime.block_on(run.run());
    // Whatever still blocks after a second signal must not keep the process.
    runtime.shutdown_background();
    code
}

/// Closes the sandbox, and says what holds; whether files are held.
fn confine(sandbox: &Sandbox, config_folders: Vec<PathBuf>) -> Result<bool, String> {
    let reads = [sandbox.reads.clone(), config_folders].concat();
    let held = Sandbox { reads, ..sandbox.clone() }.close()?;
    match &held {
        Some(held) => tracing::info!("{}", held.sentence()),
        None => tracing::info!("sandbox: off"),
    }
    Ok(held.is_some_and(|held| held.holds_files()))
}

/// A service about to run.
struct Run<D: Daemon> {
    /// Where settings come from, now and at each reload.
    sources: Sources<D::Setting>,
    /// What they say now.
    layers: Layers<D::Setting>,
    /// What that means.
    settings: D::Settings,
    around: Around,
    log: LogHandle,
    output: Output,
    /// Only files that were named at the start can be opened.
    confined: bool,
}

impl<D: Daemon> Run<D> {
    async fn run(self) -> ExitCode {
        let started = Signals::listen().and_then(|signals| Ok((signals, Reloads::listen()?)));
        let (signals, reloads) = match started {
            Ok(started) => started,
            Err(error) => return fail(&format!("cannot listen for signals: {error}"), 1),
        };
        let health = Arc::<D::Health>::default();
        let admin = match AdminListener::start(self.around.admin, health.clone()).await {
            Ok(admin) => admin,
            Err(error) => return fail(&error.to_string(), EXIT_NETWORK),
        };
        let started = tokio::select! {
            started = D::start(&self.settings, health.clone()) => started,
            signal = signals.first() => return exit_of_signal(signal),
        };
        let code = match started {
            Ok(daemon) => {
                self.output.announce(&daemon.addresses(), admin.as_ref());
                let around = admin.as_ref().map(|admin| admin.vital().clone());
                let vitals = daemon.vitals().into_iter().chain(around).collect();
                match self.serve(daemon, vitals, &health, &signals, reloads).await {
                    Ok(code) => code,
                    // At once: what failed may be what would end the rest.
                    Err(failure) => return fail(&failure.to_string(), EXIT_FAILED),
                }
            }
            Err(Failed { sentence, code }) => {
                say(&sentence);
                ExitCode::from(code)
            }
        };
        if let Some(admin) = admin {
            admin.stop().await;
        }
        code
    }

    async fn serve(
        mut self,
        mut daemon: D,
        vitals: Vec<Vital>,
        health: &D::Health,
        signals: &Signals,
        mut reloads: Reloads,
    ) -> Result<ExitCode, Failure> {
        notify::ready(&health.status());
        // Twice as often as is wanted, so that one late word does no harm.
        let every = notify::watchdog().map_or(STATUS_INTERVAL, |wait| (wait / 2).min(STATUS_INTERVAL));
        let mut beat = interval(every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let signal = loop {
            tokio::select! {
                signal = signals.first() => break signal,
                failure = Vital::any_failed(&vitals) => return Err(failure),
                () = reloads.next() => self.reload(&mut daemon, health).await,
                () = daemon.tell_news(self.output) => {}
                // A loop that hangs must not be reported as alive: then the service manager restarts us.
                _ = beat.tick() => if health.is_live() {
                    notify::alive(&health.status());
                },
            }
        };
        Ok(self.stop(daemon, health, signals, signal).await)
    }

    async fn stop(self, daemon: D, health: &D::Health, signals: &Signals, signal: Signal) -> ExitCode {
        tracing::info!("stopping; a second signal stops at once");
        health.drain();
        notify::stopping(self.around.grace);
        tokio::select! {
            () = daemon.stop(self.around.grace) => {}
            _ = signals.second() => {}
        }
        exit_of_signal(signal)
    }

    /// Reads the files again. What is wrong with them changes nothing.
    async fn reload(&mut self, daemon: &mut D, health: &D::Health) {
        notify::reloading();
        let taken = match self.read_again() {
            Ok((layers, settings)) => self.take(layers, &settings, daemon).await,
            Err(problems) => Err(problems.to_string()),
        };
        health.reloaded().note(taken.is_ok());
        if let Err(problems) = taken {
            tracing::error!("the configuration is wrong and stays as it was: {problems}");
            if self.confined && problems.contains("Permission denied") {
                tracing::error!(
                    "the sandbox was made for the folders named at the start: others take a restart"
                );
            }
        }
        notify::ready(&health.status());
    }

    fn read_again(&self) -> Result<(Layers<D::Setting>, D::Settings), Problems> {
        let layers = self.sources.read()?;
        let settings = D::settings(&layers)?;
        Ok((layers, settings))
    }

    async fn take(
        &mut self,
        layers: Layers<D::Setting>,
        settings: &D::Settings,
        daemon: &mut D,
    ) -> Result<(), String> {
        let around = D::around(settings);
        self.log.set(&around.log)?;
        daemon.apply(settings).await?;
        let (live, later) = layers.differences(&self.layers);
        let changed: Vec<String> = live.into_iter().map(Into::into).chain(daemon.take_changes()).collect();
        let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
        tracing::info!("configuration read again; changed: {changed}");
        if !later.is_empty() {
            tracing::warn!("these need a restart to change: {}", later.join(", "));
        }
        // What needs a restart stays on the list until there is one.
        self.layers.take_live(&layers);
        self.around.grace = around.grace;
        Ok(())
    }
}
