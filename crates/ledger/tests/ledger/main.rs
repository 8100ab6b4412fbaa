//! The books, looked at from outside: stories with known sums, forged books, and random histories.

mod forged;
mod histories;
mod settled;
mod stories;
mod world;
