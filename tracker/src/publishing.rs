//! Publishes the atlas as signed content: written beside the state, hashed, signed, and shared by
//! the tracker's own node.
//!
//! Clients pin the key, so neither a peer that announces an atlas nor a peer that serves it can
//! give them another one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use nearcast_core::{atlas::Atlas, id::ContentId, magnet::Magnet, manifest::Manifest};
use nearcast_node::{
    Node, Share,
    error::{KeyError, ShareError},
    key::SecretKey,
    publish::{PublishError, PublishOptions, publish, replace_file},
};
use nearcast_service::{links::link_addresses, state::make_private_folder};

use crate::config::key_problem;

const NAME_BEGINS: &str = "nearcast-";
const NAME_ENDS: &str = ".atlas";

/// An atlas was not published. The one published before stays.
#[derive(Debug, thiserror::Error)]
pub enum PublishingError {
    /// The key is unusable.
    #[error("{}", key_problem(.0))]
    Key(#[from] KeyError),
    /// A file or the folder cannot be written.
    #[error("cannot write the atlas to {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The atlas cannot be hashed.
    #[error(transparent)]
    Hash(#[from] PublishError),
    /// The atlas cannot be shared.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The runtime shuts down.
    #[error("stopped before the atlas was published")]
    Stopped,
}

/// Publishes one atlas after another.
pub(crate) struct Publisher {
    node: Node,
    key: Arc<SecretKey>,
    folder: PathBuf,
    /// The version and content that are shared now.
    shared: Option<(u64, ContentId)>,
}

impl Publisher {
    /// Loads the key and makes the folder, which blocks. Nothing is shared yet.
    ///
    /// # Errors
    /// If the key or the folder cannot be used.
    pub(crate) fn new(node: Node, key: &Path, folder: PathBuf) -> Result<Publisher, PublishingError> {
        let key = Arc::new(SecretKey::load(key)?);
        make_private_folder(&folder)
            .map_err(|source| PublishingError::Io { path: folder.clone(), source })?;
        tracing::info!("atlases are published, signed by {}", key.public());
        Ok(Publisher { node, key, folder, shared: None })
    }

    /// Publishes an atlas in place of the one before. Returns its link. `None`: this version is
    /// published already.
    ///
    /// # Errors
    /// See [`PublishingError`].
    pub(crate) async fn publish(&mut self, atlas: Arc<Atlas>) -> Result<Option<Magnet>, PublishingError> {
        let version = atlas.version();
        if self.shared.is_some_and(|(shared, _)| shared == version) {
            return Ok(None);
        }
        let (key, folder) = (self.key.clone(), self.folder.clone());
        let vital = self.node.vital().clone();
        let written = vital.blocking("What signs atlases", move || write(&atlas, &key, &folder));
        let manifest = written.await.ok_or(PublishingError::Stopped)??;
        let (content, name) = (manifest.content(), manifest.name().to_owned());
        self.node.share(Share { manifest: Arc::new(manifest), root: self.folder.clone() }).await?;
        if let Some((_, old)) = self.shared.replace((version, content)).filter(|(_, old)| *old != content) {
            self.node.unshare(old).await;
        }
        self.remove_others(&name);
        let addresses = link_addresses(&self.node.addresses());
        Ok(Some(Magnet { name: Some(name), addresses, ..Magnet::new(content) }))
    }

    /// Removes files of atlases that are no longer shared, including those of earlier runs. A file
    /// that stays does no harm.
    fn remove_others(&self, kept: &str) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(|name| {
                name.starts_with(NAME_BEGINS) && name.ends_with(NAME_ENDS) && name != kept
            });
            if ours && let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!("cannot remove the old atlas {}: {error}", entry.path().display());
            }
        }
    }
}

fn write(atlas: &Atlas, key: &SecretKey, folder: &Path) -> Result<Manifest, PublishingError> {
    let path = folder.join(format!("{NAME_BEGINS}{}{NAME_ENDS}", atlas.version()));
    replace_file(&path, &atlas.encode())
        .map_err(|source| PublishingError::Io { path: path.clone(), source })?;
    let options = PublishOptions { threads: Some(1), ..PublishOptions::default() };
    let published = publish(&path, &options, &|_, _| {}, &AtomicBool::new(false))?;
    let signature = key.sign(published.manifest.content());
    Ok(published.manifest.with_signatures([signature]))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nearcast_core::{asn::Asn, atlas::AtlasBuilder};
    use nearcast_node::config::NodeConfig;

    use super::*;

    fn atlas(version: u64) -> Arc<Atlas> {
        let mut builder = AtlasBuilder::new(version);
        builder.prefix("127.1.0.0/16".parse().unwrap(), &[Asn(64_500)]);
        Arc::new(builder.build())
    }

    #[tokio::test]
    async fn each_version_replaces_the_one_before_and_is_signed() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("atlas.key");
        let public = SecretKey::create(&key).unwrap().public();
        let listen = vec!["/ip4/127.60.1.1/tcp/0".parse().unwrap()];
        let node = Node::start(NodeConfig { listen, origin: true, ..NodeConfig::default() }).await.unwrap();
        let shared = folder.path().join("atlas");
        let mut publisher = Publisher::new(node.clone(), &key, shared.clone()).unwrap();
        let first = publisher.publish(atlas(7)).await.unwrap().unwrap();
        assert!(first.addresses[0].starts_with("/ip4/127.60.1.1/tcp/"), "{first:?}");
        assert_eq!(publisher.publish(atlas(7)).await.unwrap(), None, "the same again is nothing new");
        let second = publisher.publish(atlas(8)).await.unwrap().unwrap();
        assert_ne!(first.content, second.content);
        let names: Vec<_> = fs::read_dir(&shared).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["nearcast-8.atlas"]);
        let manifest = write(&atlas(8), &SecretKey::load(&key).unwrap(), &shared).unwrap();
        assert!(manifest.signatures().is_by(&[public]) && manifest.content() == second.content);
        node.shutdown(Duration::ZERO).await;
    }
}
