//! One run of a service from start to end: its output, its signals, its shutdown.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use nearcast_node::{
    address::Address,
    vital::{Failure, Vital},
};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    admin::{AdminAt, AdminListener, Vitals},
    cli::{EXIT_BAD_OPTION, EXIT_NETWORK, Serve, exit_of_signal},
    conditions::Probes,
    config::{Layers, Problems, Sources},
    log::{self, LogHandle},
    notify, outlet,
    output::{Output, Told, check, fail, say},
    reloaded::Reloaded,
    sandbox::Sandbox,
    setting::Setting,
    signals::{Reloads, Signal, Signals},
};

/// How often the service manager gets a status, unless its watchdog wants it more often.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// How long the end waits for whoever reads the log and the output.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// The exit code when an essential task fails: the code for errors that have no code of their own.
const EXIT_FAILED: u8 = 1;

/// The state of a service, which the service itself updates.
pub trait Health: Vitals + Default {
    /// A sentence for the service manager.
    fn status(&self) -> String;

    /// Notes that shutdown has begun: no new clients should be sent here.
    fn drain(&self);

    /// The results of reloads.
    fn reloaded(&self) -> &Reloaded;
}

/// The settings that the run loop needs of every service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around {
    /// The address of health and metrics.
    pub admin: AdminAt,
    /// How long running work may take to finish at shutdown.
    pub grace: Duration,
    /// The log filter.
    pub log: String,
    /// Log as JSON.
    pub log_json: bool,
    /// The sandbox of the service.
    pub sandbox: Sandbox,
}

/// Why a service could not start, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The message.
    pub sentence: String,
    /// The exit code.
    pub code: u8,
}

/// A service.
#[expect(async_fn_in_trait, reason = "each is awaited where the service runs, by one task")]
pub trait Daemon: Sized {
    /// The table of settings.
    type Setting: Setting;
    /// The parsed settings.
    type Settings;
    /// The state of the service.
    type Health: Health;

    /// The settings from the layers.
    ///
    /// # Errors
    /// All settings that are missing or contradict each other.
    fn settings(layers: &Layers<Self::Setting>) -> Result<Self::Settings, Problems>;

    /// Problems that the start would meet, as far as they can be found without starting.
    fn check(settings: &Self::Settings) -> Vec<String>;

    /// The settings for the run loop.
    fn around(settings: &Self::Settings) -> Around;

    /// Starts the service; returns when it is ready.
    ///
    /// # Errors
    /// Why it did not start; nothing is left behind.
    async fn start(settings: &Self::Settings, health: Arc<Self::Health>) -> Result<Self, Failed>;

    /// The addresses it listens on.
    fn addresses(&self) -> Vec<Address>;

    /// Applies the settings that can change at run time.
    ///
    /// # Errors
    /// Why nothing was applied.
    async fn apply(&mut self, settings: &Self::Settings) -> Result<(), String>;

    /// What the last reload changed apart from the settings: files that they name may have new
    /// content. A few words each.
    fn take_changes(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Reports news as it comes; never ends. Cancelling it loses nothing.
    async fn tell_news(&mut self, output: Output);

    /// The essential tasks.
    fn vitals(&self) -> Vec<Vital>;

    /// Stops the service: accepts nothing new, and gives running work this long to finish.
    async fn stop(self, grace: Duration);
}

/// Runs the `serve` command. Returns the exit code.
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
    // The sandbox closes before there is another thread or any input from a stranger.
    let confined = match confine(&around.sandbox, sources.folders()) {
        Ok(confined) => confined,
        Err(lack) => return fail(&lack, EXIT_BAD_OPTION),
    };
    outlet::standard().begin();
    let runtime = match nearcast_node::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return read_out(fail(&format!("cannot start: {error}"), 1)),
    };
    let run = Run::<D> { sources, layers, settings, around, log, output: Output { json }, confined };
    let code = runtime.block_on(run.run());
    // Tasks that still block after a second signal must not keep the process.
    runtime.shutdown_background();
    read_out(code)
}

/// Gives whoever reads the log a moment for the last lines.
fn read_out(code: ExitCode) -> ExitCode {
    outlet::standard().drain(READ_WITHIN);
    code
}

/// Closes the sandbox and logs what it restricts. Returns whether files are restricted.
fn confine(sandbox: &Sandbox, config_folders: Vec<PathBuf>) -> Result<bool, String> {
    let reads = [sandbox.reads.clone(), config_folders].concat();
    let held = Sandbox { reads, ..sandbox.clone() }.close()?;
    match &held {
        Some(held) => tracing::info!("{}", held.sentence()),
        None => tracing::info!("sandbox: off"),
    }
    Ok(held.is_some_and(|held| held.holds_files()))
}

/// A service that is about to run.
struct Run<D: Daemon> {
    /// The sources of settings, for the start and each reload.
    sources: Sources<D::Setting>,
    /// The current values.
    layers: Layers<D::Setting>,
    /// The settings parsed from the values.
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
                    // At once: the failed task may be the one that would end the others.
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
        // Twice as often as required, so that one late message does no harm.
        let every = notify::watchdog().map_or(STATUS_INTERVAL, |wait| (wait / 2).min(STATUS_INTERVAL));
        let mut beat = interval(every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let signal = loop {
            tokio::select! {
                signal = signals.first() => break signal,
                failure = Vital::any_failed(&vitals) => return Err(failure),
                () = reloads.next() => self.reload(&mut daemon, health).await,
                () = daemon.tell_news(self.output) => {}
                // A loop that hangs must not be reported as alive, so that the service manager
                // restarts us.
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

    /// Reads the files again. If they have problems, nothing changes.
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
        // A setting that needs a restart stays on the list until the restart.
        self.layers.take_live(&layers);
        self.around.grace = around.grace;
        Ok(())
    }
}
