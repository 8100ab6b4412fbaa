//! The GPU owner's agent and the renderers' host.
