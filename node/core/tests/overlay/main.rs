//! The overlay's machine, alone: what strangers say to it, and inputs in any order.

mod attacks;
mod machine;
mod properties;
mod roles;
