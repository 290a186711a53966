//! The atlas of `get --atlas`: a file, or the newest atlas that directories offer and that the
//! user's key has signed.

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use nearcast_core::{atlas::Atlas, signature::PublisherKey};
use nearcast_node::Node;
use nearcast_service::atlas::{ATLAS_AGE_MAX, Cache, Follow, Following, Known};

use crate::{error::CommandError, publisher::Publisher};

/// How long a finished command waits for an atlas that is still being fetched.
pub(crate) const FINISH: Duration = Duration::from_secs(2);

/// Where the atlas comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AtlasSource {
    /// The newest atlas that directories offer.
    Auto,
    /// A file.
    File(PathBuf),
}

impl FromStr for AtlasSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "auto" { AtlasSource::Auto } else { AtlasSource::File(text.into()) })
    }
}

/// The atlas settings, resolved before the node starts.
pub(crate) struct Plan {
    /// The atlas to begin with. `None`: no atlas yet.
    pub(crate) atlas: Option<Arc<Atlas>>,
    follow: Option<(Cache, PublisherKey)>,
}

impl Plan {
    /// A plan with an atlas that stays.
    pub(crate) fn with(atlas: Arc<Atlas>) -> Plan {
        Plan { atlas: Some(atlas), follow: None }
    }

    /// Loads the file, or the last good atlas of the key. A missing or damaged atlas of a key is no
    /// error: until a good one comes, nearness goes by address prefixes.
    ///
    /// # Errors
    /// The file named by the user cannot be used, or one of source and key is missing.
    pub(crate) fn make(
        source: Option<&AtlasSource>,
        key: Option<&Publisher>,
        warn: impl Fn(&str),
    ) -> Result<Plan, CommandError> {
        match (source, key) {
            (None, None) => Ok(Plan { atlas: None, follow: None }),
            (Some(AtlasSource::File(path)), None) => {
                Ok(Plan { atlas: Some(nearcast_node::atlas::load(path)?), follow: None })
            }
            (Some(AtlasSource::Auto), Some(key)) => Plan::auto(key.key()?, warn),
            (Some(AtlasSource::Auto), None) => Err(CommandError::BadOption(
                "--atlas auto needs --atlas-key KEY: whose atlas is to be believed".to_owned(),
            )),
            (_, Some(_)) => {
                Err(CommandError::BadOption("--atlas-key goes with --atlas auto only".to_owned()))
            }
        }
    }

    fn auto(key: PublisherKey, warn: impl Fn(&str)) -> Result<Plan, CommandError> {
        let Some(folder) = Cache::users_folder() else {
            let sentence = "--atlas auto needs a place for the last good atlas: set XDG_CACHE_HOME or HOME";
            return Err(CommandError::BadOption(sentence.to_owned()));
        };
        let cache = Cache::new(folder, &key);
        let atlas = cache.load().unwrap_or_else(|error| {
            warn(&format!("{error}; going on without an atlas until a good one comes"));
            None
        });
        Ok(Plan { atlas, follow: Some((cache, key)) })
    }

    /// Whether to ask directories for newer atlases.
    pub(crate) fn follows(&self) -> bool {
        self.follow.is_some()
    }

    /// Starts to fetch newer atlases. `None`: the atlas is a file, or there is none.
    pub(crate) fn follow(self, node: &Node, known: Known) -> Option<Following> {
        let (cache, key) = self.follow?;
        let version = self.atlas.map_or(0, |atlas| atlas.version());
        let age_max = ATLAS_AGE_MAX;
        Some(Follow { node: node.clone(), cache, key, known, version, age_max }.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(source: Option<&str>, key: Option<&str>) -> Result<Plan, CommandError> {
        let source: Option<AtlasSource> = source.map(|text| text.parse().unwrap());
        let key: Option<Publisher> = key.map(|text| text.parse().unwrap());
        Plan::make(source.as_ref(), key.as_ref(), |_| {})
    }

    #[test]
    fn auto_needs_a_key_and_a_key_needs_auto() {
        assert!(plan(None, None).unwrap().atlas.is_none());
        for (source, key) in
            [(Some("auto"), None), (None, Some("key.pub")), (Some("a.atlas"), Some("key.pub"))]
        {
            let error = plan(source, key).err().expect("this makes no sense");
            assert_eq!(error.exit().code(), 28, "{error}");
        }
        assert_eq!(plan(Some("/nowhere/a.atlas"), None).err().unwrap().exit().code(), 17);
    }
}
