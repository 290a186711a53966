//! BMP (RFC 7854): routers connect, and tell what they know.

pub mod frame;
mod peers;
pub mod session;
