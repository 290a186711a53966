//! What the owner of the node asks for, and limits on everything.

use nearcast_core::config::ConfigError;

use super::{Driver, acts::tell_owner};
use crate::{
    command::Command,
    config::{Caps, NodeConfig},
    net::ConnectionCaps,
};

impl Driver {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Fetch { fetch, reply } => {
                let answer = self.begin_fetch(*fetch);
                tell_owner(reply, answer);
            }
            Command::Share { share, reply } => self.begin_share(share, reply),
            Command::Unshare { content } => {
                if let Some(&key) = self.by_id.get(&content) {
                    self.leave(key);
                }
            }
            Command::Stop { content, reply } => self.stop(content, reply),
            Command::Pause { content, paused, reply } => {
                self.set_paused(content, paused);
                tell_owner(reply, ());
            }
            Command::LimitDownload { content, limits } => self.limit_download(content, limits),
            Command::Read { content, reader, reading } => self.on_reader(content, reader, reading),
            Command::Unreadable { content, error } => self.on_store_failed(content, error),
            Command::List { reply } => tell_owner(reply, self.listed()),
            Command::Find { content, reply } => tell_owner(reply, self.download(content)),
            Command::Limit { up, down } => {
                (self.parts.config.up, self.parts.config.down) = (up, down);
                self.apply_limits();
            }
            Command::Cap { connections_max, caps, reply } => {
                let answer = self.set_caps(connections_max, caps);
                tell_owner(reply, answer);
            }
            Command::Atlas(atlas) => self.look_around(atlas),
            Command::Givings { max, reply } => {
                tell_owner(reply, self.givings(max));
            }
            #[cfg(test)]
            Command::Fail => panic!("a fault that was asked for"),
            Command::Shutdown { grace, until, reply } => self.close(grace, until, Some(reply)),
        }
    }

    fn apply_limits(&self) {
        self.services.up.set(self.parts.config.limits_up());
        self.services.down.set(self.parts.config.limits_down());
    }

    fn set_caps(&mut self, connections_max: u32, caps: Caps) -> Result<(), ConfigError> {
        let wanted = NodeConfig { connections_max, caps, ..self.parts.config.clone() };
        self.engine.set_config(wanted.policy()?);
        self.parts.network.set_caps(ConnectionCaps {
            connections_max: self.parts.budget.connections_max(connections_max),
            per_prefix_max: wanted.connections_per_prefix_max(),
        });
        self.parts.config = wanted;
        self.apply_limits();
        Ok(())
    }
}
