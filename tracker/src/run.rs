//! The tracker as a service.

use std::{future, sync::Arc, time::Duration};

use nearcast_node::{address::Address, vital::Vital};
use nearcast_service::{
    config::{Layers, Problems},
    output::Output,
    run::{Around, Daemon, Failed},
};

use crate::{config::Settings, health::Health, service::Tracker, setting::Setting};

/// A running tracker.
#[derive(Debug)]
pub struct Serving(Tracker);

impl Daemon for Serving {
    type Setting = Setting;
    type Settings = Settings;
    type Health = Health;

    fn settings(layers: &Layers<Setting>) -> Result<Settings, Problems> {
        Settings::of(layers)
    }

    fn check(settings: &Settings) -> Vec<String> {
        settings.check()
    }

    fn around(settings: &Settings) -> Around {
        settings.around.clone()
    }

    async fn start(settings: &Settings, health: Arc<Health>) -> Result<Serving, Failed> {
        let started = Tracker::start_with(settings.tracker.clone(), health).await;
        let failed =
            |error: crate::service::TrackerError| Failed { code: error.exit(), sentence: error.to_string() };
        started.map(Serving).map_err(failed)
    }

    fn addresses(&self) -> Vec<Address> {
        self.0.addresses()
    }

    async fn apply(&mut self, settings: &Settings) -> Result<(), String> {
        self.0.apply(&settings.tracker).await.map_err(|error| error.to_string())
    }

    fn take_changes(&mut self) -> Vec<String> {
        self.0.take_changes()
    }

    async fn tell_news(&mut self, _output: Output) {
        // Clients ask for their news; there is nothing to print.
        future::pending().await
    }

    fn vitals(&self) -> Vec<Vital> {
        self.0.vitals()
    }

    async fn stop(self, grace: Duration) {
        self.0.stop(grace).await;
    }
}
