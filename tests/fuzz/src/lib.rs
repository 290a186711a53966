//! The targets of fuzzing: every decoder of the core and the tracker's BGP inputs (here), every
//! decoder of the node ([`nearcast_node::fuzzing`]), and the engine as a whole. A target takes
//! bytes and asserts what must hold for any bytes.

mod archives;
mod atlas;
mod byzantine;
mod engine;
mod feeds;
mod links;
mod metainfo;
mod names;
mod proofs;
mod registry;
mod run_sets;

/// The core's own tests use these modules, too.
#[path = "../../../node/core/tests/engine/byzantine/mod.rs"]
mod byzantine_world;
#[path = "../../../node/core/tests/engine/shell/mod.rs"]
mod shell;

pub use nearcast_node::fuzzing::Target;

/// The targets of the core; the node brings its own.
const OF_CORE: [Target; 10] = [
    Target { name: "atlas", run: atlas::run, seeds: atlas::seeds },
    Target { name: "byzantine", run: byzantine::run, seeds: byzantine::seeds },
    Target { name: "engine", run: engine::run, seeds: engine::seeds },
    Target { name: "metainfo", run: metainfo::torrent, seeds: metainfo::torrent_seeds },
    Target { name: "info", run: metainfo::info, seeds: metainfo::info_seeds },
    Target { name: "magnet", run: links::run, seeds: links::seeds },
    Target { name: "names", run: names::run, seeds: names::seeds },
    Target { name: "runs", run: run_sets::run, seeds: run_sets::seeds },
    Target { name: "proofs", run: proofs::run, seeds: proofs::seeds },
    Target { name: "registry", run: registry::run, seeds: registry::seeds },
];

/// The targets of the tracker.
const OF_TRACKER: [Target; 4] = [
    Target { name: "bmp", run: feeds::bmp, seeds: feeds::bmp_seeds },
    Target { name: "ris-live", run: feeds::ris_live, seeds: feeds::ris_live_seeds },
    Target { name: "mrt", run: archives::mrt, seeds: archives::mrt_seeds },
    Target { name: "lines", run: archives::lines, seeds: archives::lines_seeds },
];

/// Every target.
pub fn all() -> impl Iterator<Item = Target> {
    OF_CORE.into_iter().chain(OF_TRACKER).chain(nearcast_node::fuzzing::TARGETS)
}

/// The target of this name.
pub fn by_name(name: &str) -> Option<Target> {
    all().find(|target| target.name == name)
}
