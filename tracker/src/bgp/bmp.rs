//! BMP (RFC 7854): routers connect, and tell what they know.

#[cfg(test)]
pub(crate) mod crafted;
pub mod frame;
mod peers;
pub mod session;
