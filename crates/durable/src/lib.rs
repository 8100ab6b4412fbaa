//! Files that survive power loss: write, fsync, rename, fsync the folder.
