//! Manual pages and completions of every program, made of the texts of `--help`. A package of its
//! own, so that a program without a network need not be linked with one.

pub mod completions;
pub mod manual;
