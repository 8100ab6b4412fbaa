//! The engine as its parents meet it: a child on pipes, spoken to in messages. Sources are made by
//! the `ffmpeg` program, and what comes back is decoded by it.

mod child;
mod clips;
mod compare;
mod damage;
mod demux;
mod file;
mod ladder;
mod lanes;
mod live;
mod thumbnail;
