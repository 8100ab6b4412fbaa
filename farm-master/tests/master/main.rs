//! The master, as those who talk to it see it: a real server on a free port, spoken to over HTTP.

mod access;
mod endings;
mod film;
mod kill;
mod large_job;
mod openapi;
mod refusals;
mod restart;
mod store;
mod world;
