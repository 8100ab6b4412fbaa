//! glTF 2.0 to the canonical scene that the kernel renders.
