//! Feeds of live routes: routers over BMP, RIS Live, MRT files of updates; and the keeper of the
//! table that they change.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

pub mod bmp;
pub mod live;
pub mod ris_live;
mod sender;
pub mod updates;
