//! Whole-system tests and the world they run in.
