//! Conformance scenes and the sample animation, made by code.
