//! A directory under load: it stays bounded whatever peers announce, and its answers keep their
//! promises.

mod answers;
mod bounds;
mod handover;
mod lifetimes;
mod nearness;
mod properties;
mod reach;
mod seeds;
mod survey;
mod world;
