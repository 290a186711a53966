//! The seeder as a service.

use std::{future, sync::Arc, time::Duration};

use nearcast_node::{address::Address, vital::Vital};
use nearcast_service::{
    config::{Layers, Problems},
    output::Output,
    run::{Around, Daemon, Failed},
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    cli::exit_of_error,
    config::Settings,
    health::Health,
    service::{Published, Seeder},
    setting::Setting,
};

/// A running seeder and its news.
#[derive(Debug)]
pub struct Serving {
    seeder: Seeder,
    news: Option<mpsc::Receiver<Published>>,
}

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
        let started = Seeder::start_with(settings.seeder.clone(), health).await;
        let mut seeder =
            started.map_err(|error| Failed { sentence: error.to_string(), code: exit_of_error(&error) })?;
        let news = seeder.news();
        Ok(Serving { seeder, news })
    }

    fn addresses(&self) -> Vec<Address> {
        self.seeder.addresses()
    }

    async fn apply(&mut self, settings: &Settings) -> Result<(), String> {
        self.seeder.apply(&settings.seeder).await.map_err(|error| error.to_string())
    }

    async fn tell_news(&mut self, output: Output) {
        let Some(news) = &mut self.news else { return future::pending().await };
        while let Some(published) = news.recv().await {
            tell(output, &published);
        }
        // Nothing more will be published.
        future::pending().await
    }

    fn vitals(&self) -> Vec<Vital> {
        vec![self.seeder.node().vital().clone()]
    }

    async fn stop(self, grace: Duration) {
        self.seeder.stop(grace).await;
    }
}

fn tell(output: Output, published: &Published) {
    let link = published.link.to_string();
    let event = json!({
        "event": "published",
        "content": published.content.to_string(),
        "name": published.name,
        "link": link,
    });
    output.print(&format!("published {link}"), &event);
}
