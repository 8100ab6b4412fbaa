//! The master's own rules, apart from any clock, socket or database. Of live streams: who may say
//! what about a session ([`fence`]), what counts ([`accounting`], [`plausible`]), when a webhook is tried again
//! ([`retry`]), whether a deposit pays for workers ([`funds`]). Of those who sign in: how often they may try ([`tries`]). Of nodes: what their
//! owners want ([`wish`]).

pub mod accounting;
pub mod fence;
pub mod funds;
pub mod plausible;
pub mod retry;
pub mod tries;
pub mod wish;
