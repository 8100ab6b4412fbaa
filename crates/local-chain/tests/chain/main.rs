//! The chain as its users meet it: over a real socket, after restarts, and as a process that is
//! killed.

mod killed;
mod replay;
mod rpc;
mod support;
