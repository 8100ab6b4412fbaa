//! The program `farm` as people start it.

mod common;
mod receipts;
mod requeue;
mod streams;
mod whole_way;
