//! Real ffmpeg at each door: what it sent is what a broker receives, once, with its times; who has
//! no key sends nothing; who is revoked is cut off.

mod broker;
mod clip;
mod http;
mod mutations;
mod rtmp;
mod srt;
