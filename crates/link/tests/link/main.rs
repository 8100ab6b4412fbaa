//! The link over real sockets.

mod connection;
mod handshake;
mod world;
