//! One run of the service, from start to end: what it prints, what it is told by signals, how it leaves.

use std::{
    future,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use crate::{
    admin::AdminListener,
    cli::{EXIT_BAD_OPTION, exit_of_error, exit_of_signal},
    config::{Layers, Settings, Sources},
    health::Health,
    log::LogHandle,
    notify,
    service::{Published, Seeder},
    signals::{Reloads, Signal, Signals},
};

/// How often the service manager hears how things are, when it does not want it more often.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);
const EXIT_NETWORK: u8 = 6;

/// A service about to run.
pub struct Run {
    /// Where settings come from, now and at each reload.
    pub sources: Sources,
    /// What they say now.
    pub layers: Layers,
    /// What that means.
    pub settings: Settings,
    /// The log.
    pub log: LogHandle,
    /// Print JSON.
    pub json: bool,
}

impl Run {
    /// Runs until a signal ends it.
    pub async fn run(self) -> ExitCode {
        let started = Signals::listen().and_then(|signals| Ok((signals, Reloads::listen()?)));
        let (signals, reloads) = match started {
            Ok(started) => started,
            Err(error) => return fail(&format!("cannot listen for signals: {error}"), 1),
        };
        let health = Arc::new(Health::default());
        let admin = match AdminListener::start(self.settings.admin, health.clone()).await {
            Ok(admin) => admin,
            Err(error) => return fail(&error.to_string(), EXIT_NETWORK),
        };
        let started = tokio::select! {
            started = Seeder::start_with(self.settings.seeder.clone(), health.clone()) => started,
            signal = signals.first() => return exit_of_signal(signal),
        };
        let code = match started {
            Ok(seeder) => {
                self.announce(&seeder, admin.as_ref());
                self.serve(seeder, &health, &signals, reloads).await
            }
            Err(error) => {
                say(&error.to_string());
                exit_of_error(&error)
            }
        };
        if let Some(admin) = admin {
            admin.stop().await;
        }
        code
    }

    async fn serve(
        mut self,
        mut seeder: Seeder,
        health: &Health,
        signals: &Signals,
        mut reloads: Reloads,
    ) -> ExitCode {
        notify::ready(&health.status());
        let mut news = seeder.news();
        // Twice as often as is wanted, so that one late word does no harm.
        let every = notify::watchdog().map_or(STATUS_INTERVAL, |wait| (wait / 2).min(STATUS_INTERVAL));
        let mut beat = interval(every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let signal = loop {
            tokio::select! {
                signal = signals.first() => break signal,
                () = reloads.next() => self.reload(&seeder, health).await,
                published = next(&mut news) => self.tell(&published),
                // A loop that hangs must not be reported as alive: then the service manager restarts us.
                _ = beat.tick() => if health.live().iter().all(|condition| condition.holds) {
                    notify::alive(&health.status());
                },
            }
        };
        self.stop(seeder, health, signals, signal).await
    }

    async fn stop(self, seeder: Seeder, health: &Health, signals: &Signals, signal: Signal) -> ExitCode {
        tracing::info!("stopping; a second signal stops at once");
        health.drain();
        notify::stopping(self.settings.grace);
        tokio::select! {
            () = seeder.stop(self.settings.grace) => {}
            _ = signals.second() => {}
        }
        exit_of_signal(signal)
    }

    /// Reads the files again. What is wrong with them changes nothing.
    async fn reload(&mut self, seeder: &Seeder, health: &Health) {
        notify::reloading();
        let taken = match self.read_again() {
            Ok((layers, settings)) => self.take(layers, settings, seeder).await,
            Err(problems) => Err(problems),
        };
        health.on_reload(taken.is_ok());
        if let Err(problems) = taken {
            tracing::error!("the configuration is wrong and stays as it was: {problems}");
        }
        notify::ready(&health.status());
    }

    fn read_again(&self) -> Result<(Layers, Settings), String> {
        let layers = self.sources.read().map_err(|problems| problems.to_string())?;
        let settings = Settings::of(&layers).map_err(|problems| problems.to_string())?;
        Ok((layers, settings))
    }

    async fn take(&mut self, layers: Layers, settings: Settings, seeder: &Seeder) -> Result<(), String> {
        self.log.set(&settings.log)?;
        seeder.apply(&settings.seeder).await.map_err(|error| error.to_string())?;
        let (mut live, mut later) = (Vec::new(), Vec::new());
        for setting in layers.changed(&self.layers) {
            let about = setting.about();
            let list = if about.live { &mut live } else { &mut later };
            list.push(about.name);
        }
        let changed = if live.is_empty() { "nothing".to_owned() } else { live.join(", ") };
        tracing::info!("configuration read again; changed: {changed}");
        if !later.is_empty() {
            tracing::warn!("these need a restart to change: {}", later.join(", "));
        }
        // What needs a restart stays on the list until there is one.
        self.layers.take_live(&layers);
        self.settings.grace = settings.grace;
        Ok(())
    }

    fn announce(&self, seeder: &Seeder, admin: Option<&AdminListener>) {
        for address in seeder.addresses() {
            let address = address.to_string();
            self.print(&format!("listening {address}"), &json!({"event": "listening", "address": address}));
        }
        if let Some(admin) = admin {
            let url = format!("http://{}", admin.address());
            self.print(&format!("admin {url}"), &json!({"event": "admin", "url": url}));
        }
        self.print("ready", &json!({"event": "ready"}));
    }

    fn tell(&self, published: &Published) {
        let link = published.link.to_string();
        let event = json!({
            "event": "published",
            "content": published.content.to_string(),
            "name": published.name,
            "link": link,
        });
        self.print(&format!("published {link}"), &event);
    }

    /// Data on standard output. A reader that went away is no reason to stop serving.
    fn print(&self, words: &str, event: &serde_json::Value) {
        let mut out = io::stdout().lock();
        let written = if self.json { writeln!(out, "{event}") } else { writeln!(out, "{words}") };
        let _ = written.and_then(|()| out.flush());
    }
}

async fn next(news: &mut Option<mpsc::Receiver<Published>>) -> Published {
    match news {
        Some(news) => match news.recv().await {
            Some(published) => published,
            None => future::pending().await,
        },
        None => future::pending().await,
    }
}

/// Tells what is wrong with a configuration, or what it comes to; the exit code.
pub fn check(sources: &Sources, json: bool) -> ExitCode {
    let read = sources.read().and_then(|layers| Settings::of(&layers).map(|settings| (layers, settings)));
    let (layers, problems) = match read {
        Ok((layers, settings)) => (Some(layers), settings.check()),
        Err(problems) => (None, problems.0),
    };
    let mut out = io::stdout().lock();
    // Whoever asked and does not read the answer has the exit code.
    let _ = match (&layers, json) {
        (_, true) => {
            let settings = layers.as_ref().map(Layers::to_json);
            writeln!(out, "{}", json!({"settings": settings, "problems": problems}))
        }
        (Some(layers), false) => layers.lines().iter().try_for_each(|line| writeln!(out, "{line}")),
        (None, false) => Ok(()),
    };
    if !json {
        problems.iter().for_each(|problem| say(problem));
    }
    ExitCode::from(if problems.is_empty() { 0 } else { EXIT_BAD_OPTION })
}

/// A sentence for people, and a code to end with.
pub fn fail(sentence: &str, code: u8) -> ExitCode {
    say(sentence);
    ExitCode::from(code)
}

fn say(sentence: &str) {
    for line in sentence.lines() {
        // Nobody to say it to is no further error.
        let _ = writeln!(io::stderr(), "error: {}", nearcast_core::paths::printable(line));
    }
}
